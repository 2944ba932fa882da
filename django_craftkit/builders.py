"""Calls a declaration's functions: what makes a document's data and says who signs it.

``events.py`` does for snapshots, the reconciler for everything else.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db import NotSupportedError, ProgrammingError, models, transaction
from django.utils import translation

from . import clock, declarations, tenants
from .database import database, describe, lock
from .failures import breaks_transaction, is_outage, time_limits
from .log import get_logger
from .mailing import mails_of
from .models import Share, SignatureRequest
from .models.arguments import check_expiry, check_filename, document_data
from .models.dependents import DECLARED
from .models.problems import ErrorCode, StepError
from .models.share_manager import check_letter, mail_key
from .signing import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from .declarations import Declaration
    from .mailing import Mail
    from .models import Render
    from .untrusted import Json

logger = get_logger(__name__)


class BuilderError(StepError):
    """The data of a document could not be made."""


class UnknownBuilder(StepError):
    """No function of this name is declared here: this process may be older than the code."""


class NotConfirmed(Exception):
    """What the event said is not saved: ``recheck`` is false of the source, or there is none."""


#: The columns of a document that are stored when it is built.
BUILT = ("data", "version", "filename")


class Built(NamedTuple):
    """What a declaration makes of a document: its own arguments, and what its functions return."""

    data: dict[str, Json]
    version: int | None = None
    filename: str = ""
    envelope: Envelope | None = None
    mails: tuple[Mail, ...] = ()

    @classmethod
    def of(cls, render: Render) -> Built:
        """Return what a document was built as that goes to nobody."""
        return cls(render.data or {}, render.version, render.filename)

    @property
    def goes_to_somebody(self) -> bool:
        return self.envelope is not None or bool(self.mails)

    @property
    def columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in BUILT}

    def set_on(self, render: Render) -> None:
        for name, value in self.columns.items():
            setattr(render, name, value)


def build(render: Render, source: models.Model | None = None) -> Built | None:
    """Return data and signers of a declared document, from its source as it is saved now.

    Args:
        source: as it was just read, by ``render.read_source`` or with many others.

    Raises:
        BuilderError: the function raised, or its source is gone.
        NotConfirmed: ``recheck`` is false.
        UnknownBuilder: there is no such declaration.
        WrongSchema: this connection can't read in the schema of the source.
    """
    declaration = declarations.of(render.builder, render.template, render.project)
    if declaration is None:
        raise UnknownBuilder(ErrorCode.UNKNOWN_BUILDER, render.builder)
    if render.source_type_id is None:
        raise BuilderError(ErrorCode.NO_SOURCE)
    # A language of its own, also where a request carries it out: it is the same for everybody.
    with translation.override(settings.LANGUAGE_CODE), render.in_schema():
        # What the function reads besides is in the schema, too.
        source = source or render.read_source(declaration.proxy)
        if source is None:
            if declaration.recheck is not None:
                raise NotConfirmed  # not saved yet: pre_save, where the key is made beforehand
            gone = f"{render.source_type} {render.source_id}{render.shown_place}"
            raise BuilderError(ErrorCode.SOURCE_GONE, gone)
        built = call(declaration, source, {}, using=render.source_db or database())
    if built is not None and declaration.template != render.template:
        # A version is one of its own template, which the declaration had when this was requested.
        return built._replace(version=render.version)
    return built


def hold_source(render: Render) -> bool:
    """Lock the row of a document's source, inside a transaction of its database.

    ``False`` where somebody has it locked, or it is gone. Whoever holds the lock sees what was
    saved until now, and nobody saves it until they have ended. True of a source that no database
    can lock, a view, say: nobody saves one.
    """
    with render.in_schema():
        if (place := render.place) is None:
            return False
        using = render.source_db or database()
        rows: models.QuerySet[models.Model] = models.QuerySet(place.model, using=using)
        rows = lock(rows.filter(pk=place.pk).order_by(), skip_locked=True)
        try:
            with transaction.atomic(using=using):
                return bool(rows)
        except (NotSupportedError, ProgrammingError):
            return True


def call(
    declaration: Declaration, source: object, arguments: Mapping[str, object], *, using: str
) -> Built | None:
    """Return what a declaration's functions make of a source, checked; ``None`` without data.

    They run in the declaration's language, and in a transaction, or savepoint, of the source's
    database, so that an error of the database in them breaks nothing else.

    Raises:
        BuilderError: one of them raised, or left another tenant entered. What is no fault of theirs
            is raised as it is: an outage, to be retried, and what has broken a transaction.
        NotConfirmed: ``recheck`` is false of the source.
    """
    at = "says the language of"
    try:
        with transaction.atomic(using=using), tenants.kept(), ExitStack() as spoken:
            if (language := declaration.language_of(source)) is not None:
                spoken.enter_context(translation.override(language))
            at = "rechecks the source of"
            if declaration.recheck is not None and not declaration.recheck(source):
                raise NotConfirmed
            at = "makes the data of"
            data = declaration.function(source, **arguments)
            if data is None:
                return None
            data = document_data(data)
            at = "names the PDF of"
            filename = check_filename(declaration.filename_of(source))
            at = "says who gets a mail of"
            mails = mails_of(declaration.email_to(source) if declaration.email_to else None)
            for mail in mails:
                check_letter(mail.to, mail.recipient_name, mail.message)
                check_expiry(_end_of(mail))
            at = "says who signs"
            envelope = declaration.sign_with(source) if declaration.sign_with else None
        if envelope is not None:
            if not isinstance(envelope, Envelope):
                raise TypeError(
                    f"The sign_with function returned a {type(envelope).__name__}. "
                    "Return a django_craftkit.signing.Envelope, or None where nobody is to sign."
                )
            envelope.check()
        return Built(data, declaration.version, filename, envelope, mails)
    except NotConfirmed:
        raise
    except time_limits():
        raise
    except Exception as error:
        # A savepoint that is gone (MySQL's after a deadlock) protects nobody's transaction.
        if is_outage(error) or breaks_transaction(error, saved=using):
            raise
        # Staff are shown what it says; whoever fixes it wants to know where.
        logger.exception("The function that %s a document raised.", at)
        raise BuilderError(ErrorCode.BUILDER_FAILED, describe(error)) from error


def send_declared(render: Render, built: Built) -> None:
    """Write what goes out of this attempt, in the transaction that stores its data."""
    ask_signatures(render, built.envelope)
    ask_mails(render, built.mails)


def ask_mails(render: Render, mails: Iterable[Mail]) -> None:
    """Write the mails of this attempt; those of earlier attempts that wait make way for them.

    Nobody is mailed again who may have been, nor where a user has revoked the mail.
    """
    done: set[str] = set()
    if render.attempt > 1:
        done = render.shares.cancel_declared(render, ErrorCode.MADE_ANEW)
    for key, mail in {mail_key(mail.to, mail.message): mail for mail in mails}.items():
        if mail.to.casefold() in done:
            continue
        wanted = Share(
            channel=Share.Channel.EMAIL,
            by_mail=True,
            recipient_email=mail.to,
            recipient_name=mail.recipient_name,
            message=mail.message,
            expires_at=_end_of(mail),
        )
        render.shares.request(
            wanted, key=f"{_key(render)} {key}", user=None, wait=False, declared=True
        )


def _end_of(mail: Mail) -> datetime | None:
    if mail.expires_in is None:
        return None
    try:
        return clock.now() + mail.expires_in
    except OverflowError:
        raise ValueError("'expires_in' leads to a year that no calendar has.") from None


def ask_signatures(render: Render, envelope: Envelope | None) -> None:
    """Write the signature request of this attempt, in the transaction that stores its data.

    A request that a user has cancelled is not repeated by itself.
    """
    last = _last_declared(render)
    if last is not None:
        if last.ended_by == SignatureRequest.CancelCode.REQUESTED:
            return
        if last.status == SignatureRequest.Status.PENDING:
            last.cancel_for_next_attempt()  # nobody shall be asked twice
    if envelope is not None:
        render.signature_requests.request(
            envelope.recipients,
            fields=envelope.fields,
            anchor_tags=envelope.anchor_tags,
            name=envelope.name,
            expires_in=envelope.expires_in,
            key=_key(render),
            user=None,
            wait=False,
            declared=True,
        )


def renew_signatures(render: Render) -> None:
    """Repeat the signature request of the attempt before, whose data this one has."""
    last = _last_declared(render)
    if last is None or last.erased_at is not None:
        return
    if last.ended_by == SignatureRequest.CancelCode.OTHER_DATA:
        return
    sent = last.as_sent()
    hours = sent.pop("expires_in_hours")
    expires_in = None if hours is None else timedelta(hours=hours)
    ask_signatures(render, Envelope(**sent | {"name": last.name}, expires_in=expires_in))


def _last_declared(render: Render) -> SignatureRequest | None:
    """Return the declared request of an earlier attempt, the newest one."""
    if render.attempt == 1:
        return None
    rows = SignatureRequest.objects.writer().declared().filter(render=render.pk)
    return rows.exclude(key=_key(render)).order_by("-pk").first()


def _key(render: Render) -> str:
    return f"{DECLARED}{render.attempt}"
