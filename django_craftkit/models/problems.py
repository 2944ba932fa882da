"""What went wrong: stored as a code and what belongs to it, worded for whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit.client import CraftkitError
from django_craftkit.database import describe, sanitized

#: Characters that the column of a code has room for.
_CODE_LENGTH = 64


class ErrorCode(models.TextChoices):
    """The codes of what is found out here, each with its text. Craftkit's codes are others.

    ``%(detail)s`` is a number, a name or an id. Where a text has none, what belongs to it follows
    it: the words of Craftkit, of an exception, or another code of these.
    """

    # Of documents.
    BUILDER_FAILED = "builder_failed", _("The function that makes its data failed.")
    SOURCE_GONE = "source_gone", _("%(detail)s does not exist any more.")
    NO_SOURCE = "no_source", _("It is about no object, so its data can't be made again.")
    UNKNOWN_BUILDER = (
        "unknown_builder",
        _(
            "This worker knows no function “%(detail)s”. If it is older than the code, restart it. "
            "If the function was moved or renamed while this document waited, give its "
            "declaration that name=, or bring it back."
        ),
    )
    NOT_CONFIRMED = (
        "not_confirmed",
        _("recheck is false of the object as it is saved: what the event said is not in it."),
    )
    NOTHING_TO_RENDER = (
        "nothing_to_render",
        _("The function that makes its data returned None: there is nothing to render."),
    )
    #: As Craftkit has it, which would say the same.
    INVALID_DATA = "invalid_input_data", _("The data do not fit the template.")
    WITHDRAWN = "withdrawn", _("It was withdrawn before it was sent.")
    ERASED = "erased", _("It was erased before it was sent.")
    ERASED_UNANSWERED = (
        "erased_unanswered",
        _("It was erased while it was being sent, and no answer came: Craftkit may have it."),
    )
    # Of calls.
    KEY_USED_ELSEWHERE = (
        "key_used_elsewhere",
        _(
            "Craftkit knows this key from %(detail)s, before it was used here: another database "
            "with the same namespace has sent it."
        ),
    )
    OTHER_ANSWERED = (
        "other_answered",
        _("Craftkit answered about another object: %(detail)s."),
    )
    # Of signature requests.
    DOCUMENT_WITHDRAWN = "document_withdrawn", _("Its document was withdrawn.")
    RENDER_FAILED = "render_failed", _("Its document has ended without a PDF.")
    UNKNOWN_AT_CRAFTKIT = (
        "unknown_at_craftkit",
        _(
            "Craftkit does not know this request. Either the project's API key is another "
            "project's, or it was deleted there. It is not asked for any more after a day."
        ),
    )
    ANCHORS_MISSING = (
        "anchors_missing",
        _("These texts, which say where people sign, are not in the PDF: %(detail)s"),
    )
    SHOWN_AS_OPEN = "shown_as_open", _("Craftkit shows it as open.")
    REQUESTS_UNREADABLE = (
        "requests_unreadable",
        _("Craftkit lists requests that can't be read, and this may be one of them."),
    )
    # Of links and e-mails.
    MADE_ANEW = "made_anew", _("Its document is made anew, with mails of its own.")
    OTHER_DATA = "other_data", _("Its document was retried with other data.")
    EXPIRED = "expired", _("It had expired before it could be sent.")
    INTERRUPTED = "interrupted", _("A worker ended while it was being sent.")
    LINKS_UNREADABLE = (
        "links_unreadable",
        _("Craftkit lists links that can't be read, and this may be one of them."),
    )
    MAIL_UNPROVEN = (
        "mail_unproven",
        _(
            "Nobody knows whether this e-mail was sent: ask the recipient, then say that it was "
            "sent, or send it again."
        ),
    )
    DOCUMENT_UNKNOWN = "document_unknown", _("Craftkit does not know its document.")
    MAIL_NOT_RECORDED = (
        "mail_not_recorded",
        _("Craftkit has the link of this e-mail and no record that it was sent."),
    )
    # Of jobs, webhooks and receivers.
    NOT_CONFIGURED = "not_configured", _("Its settings are wrong.")
    WORKERS_ENDED = "workers_ended", _("%(detail)s workers ended while on it.")
    FILE_INCOMPLETE = (
        "file_incomplete",
        _("The storage did not keep the whole file: bytes there of all: %(detail)s."),
    )
    RECEIVERS_FAILED = "receivers_failed", _("Receivers that are to be called again: %(detail)s")
    NOT_CONNECTED = "not_connected", _("It is not connected any more.")
    BODY_NO_JSON = "body_no_json", _("The body is no JSON that can be read.")
    BODY_TOO_DEEP = (
        "body_too_deep",
        _("The body holds more than %(detail)s lists and objects in one another."),
    )
    BODY_WITHOUT_EVENT = "body_without_event", _("The body is no object with an event.")
    BODY_UNREADABLE = "body_unreadable", _("The body is not what this event has.")
    EVENT_WITHOUT_DOCUMENT = "event_without_document", _("The event names no document.")
    UNKNOWN_OBJECT = "unknown_object", _("Nothing here is known by this id.")
    TO_BE_ADOPTED = (
        "to_be_adopted",
        _("Its document was not made here: a worker takes it in, and then applies this."),
    )


_TEXTS: dict[str, Any] = {code.value: code.label for code in ErrorCode}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong with a row; ``str()`` words it in the reader's language."""

    #: One of ``ErrorCode``, or of Craftkit's; "": none.
    code: str = ""
    #: What Craftkit or an exception said, as it was said; or the value that is in the code's text.
    detail: str = ""

    @classmethod
    def of(cls, error: Exception) -> Problem:
        """Return what an error says: Craftkit's with its code, any other with its type."""
        if isinstance(error, StepError):
            return error.problem
        if isinstance(error, CraftkitError):
            return cls(error.code[:_CODE_LENGTH], str(error))
        return cls(detail=describe(error))

    @property
    def columns(self) -> dict[str, str]:
        """Return what a row's columns hold of it."""
        code = str(sanitized(str(self.code)))[:_CODE_LENGTH]
        return {"error_code": code, "error": sanitized(self.detail)}

    def __bool__(self) -> bool:
        return bool(self.code or self.detail)

    def __str__(self) -> str:
        text = str(_TEXTS.get(self.code, ""))
        detail = str(_TEXTS.get(self.detail, self.detail))
        if "%(detail)s" in text:
            return text % {"detail": detail}
        # The words of others are never left out, whatever their code stands for here.
        return f"{text} {detail}".strip()


NO_PROBLEM = Problem()


class StepError(Exception):
    """A step can't go on; ``problem`` says why, to staff."""

    def __init__(self, code: str, detail: object = "") -> None:
        self.problem = Problem(code, str(detail))
        super().__init__(f"{code}: {detail}" if self.problem.detail else str(code))


class Explained(models.Model):
    """A row that says what went wrong with it."""

    error: models.TextField[str, str]
    error_code: models.CharField[str, str]

    class Meta:
        abstract = True

    @property
    def problem(self) -> Problem:
        """What went wrong, to be worded by ``str()`` in the reader's language."""
        return Problem(self.error_code, self.error)
