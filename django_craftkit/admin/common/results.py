"""What became of what staff requested, in words, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from django_craftkit import conf
from django_craftkit.data import message_of
from django_craftkit.models import ProjectState
from django_craftkit.words import why_paused

from .truncate import object_of, short_line, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.utils.functional import _StrOrPromise

    from django_craftkit.models import Render, Share, SignatureRequest
    from django_craftkit.models.mirror import Mirror


#: Fields that a page lists the errors of, and errors that it lists of each.
MOST_FIELDS, MOST_ERRORS = 30, 3
#: Characters of an error that a message shows; the page shows all of it.
_LONGEST = 400

#: What is said to staff, and its level, as Django's messages have it.
Message = tuple[int, str]


def why_waiting(project: str, capability: str = "") -> str:
    """Return why a request has to wait; "" where nothing is paused.

    ``capability`` is what of the project the request needs besides.
    """
    if conf.options().PAUSED:
        return _('Everything is held by the setting CRAFTKIT["PAUSED"]. Nothing is lost.')
    paused = ProjectState.objects.writer().paused()
    rows = paused.filter(project=project, capability__in={"", capability}).order_by("capability")
    state = rows.first()
    if state is None:
        return ""
    if state.capability == ProjectState.Capability.SIGNATURES:
        text = _("Signature requests of “%(project)s” are paused: %(reason)s Nothing is lost.")
    elif state.capability:
        text = _("E-mail of “%(project)s” is paused: %(reason)s Nothing is lost.")
    else:
        text = _("The project “%(project)s” is paused: %(reason)s Nothing is lost.")
    return text % {"project": project, "reason": why_paused(state)}


def reason(row: Mirror) -> str:
    """Return an error and what is wrong with which field, in one line."""
    parts = [str(row.problem)] if row.problem else []
    parts += [f"{name}: {'; '.join(map(str, errors))}" for name, errors in field_errors(row)]
    return Truncator(" ".join(parts)).chars(_LONGEST)


def field_errors(row: Mirror) -> list[tuple[str, list[object]]]:
    """Return what is wrong with which field, as lists whatever Craftkit said."""
    return [
        (str(name), [_one_error(one) for one in (errors if isinstance(errors, list) else [errors])])
        for name, errors in sorted(object_of(row, "field_errors").items())
    ]


def _one_error(said: object) -> object:
    return message_of(said) if isinstance(said, dict) else said


def erased() -> Message:
    """Tell that nothing is left of a document."""
    return messages.ERROR, _("Its data were erased: there is nothing left to open, or to send.")


def nothing() -> str:
    return _("There is nothing to render: there is no document, and nothing was sent.")


def waits(what: str, project: str, capability: str = "", then: str = "") -> Message:
    """Tell ``what`` is requested, and why it waits; else when it is done, or ``then``."""
    if why := why_waiting(project, capability):
        return messages.WARNING, f"{what} {why}"
    then = then or _("It will be done as soon as Craftkit answers.")
    return messages.INFO, f"{what} {then}"


def can_be_shared(render: Render) -> bool:
    """Whether a link to it makes sense: it is there, or on its way."""
    return render.withdrawn_at is None and not render.is_retriable


def listed_errors(row: Mirror) -> tuple[list[tuple[str, list[str]]], bool]:
    """Return what a page lists of the errors by field, and whether that is all of them."""
    fields = field_errors(row)
    listed = [
        (short_name(name), [short_line(str(one)) for one in errors[:MOST_ERRORS]])
        for name, errors in fields[:MOST_FIELDS]
    ]
    is_unread = not fields and getattr(row, "field_errors_text", None) not in (None, "{}", "null")
    whole = [(name, [*map(str, errors)]) for name, errors in fields]
    return listed, listed == whole and not is_unread


def counted(level: int, text: _StrOrPromise, count: int) -> list[Message]:
    """Tell a lazy plural, where there is something to tell."""
    return [(level, str(text % count))] if count else []


def still_waiting(text: _StrOrPromise, rows: Sequence[Share | SignatureRequest]) -> list[Message]:
    """Tell a lazy plural of what waits, and why."""
    why = next(filter(None, map(why_waiting, sorted({row.project for row in rows}))), "")
    told = counted(messages.WARNING, text, len(rows))
    return [(level, f"{said} {why}".strip()) for level, said in told]


def nothing_to_send() -> Message:
    return messages.WARNING, _("It was left as it is: there is nothing to send again.")


def sent_once() -> Message:
    """Tell that a double click is one request."""
    return messages.INFO, _("It was asked for a moment ago and stays as it was: it is sent once.")


def refused(render: Render, withdrawn: str) -> Message:
    """Tell why a document goes to nobody: it has no PDF; else say what ``withdrawn`` says."""
    if render.is_retriable and render.withdrawn_at is None:
        return no_pdf(render)
    return messages.ERROR, withdrawn


def no_pdf(render: Render) -> Message:
    return messages.ERROR, _("There is no PDF: the document is %s.") % render.get_status_display()
