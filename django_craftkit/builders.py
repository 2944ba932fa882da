"""The functions that make a document's data and say who signs it, by their dotted names.

``events.py`` declares them, the reconciler calls them: neither has to know the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from .database import database, storable
from .failures import breaks_transaction, is_outage
from .log import get_logger
from .models import SignatureRequest
from .models.mirror import check_data
from .models.signature import DECLARED
from .signing import Envelope

if TYPE_CHECKING:
    from .models import Render

logger = get_logger(__name__)

Builder = Callable[..., dict[str, Any] | None]
#: Who signs a document about an object; ``None``: nobody.
SignWith = Callable[[Any], Envelope | None]

_builders: dict[str, Builder] = {}
#: By builder, template and project: one function may make the data of several.
_sign_with: dict[tuple[str, str, str], SignWith | None] = {}
_templates: dict[str, set[str]] = {}
#: The models that events were declared for: a proxy's function wants a proxy.
_senders: dict[str, Any] = {}


class BuilderError(Exception):
    """The data of a document could not be made; the message is for staff."""


class UnknownBuilder(Exception):
    """No function of this name is declared here: this process may be older than the code."""


class Built(NamedTuple):
    """What the functions of a declaration made of a source."""

    data: dict[str, Any]
    envelope: Envelope | None


def register(
    name: str,
    builder: Builder,
    *,
    template: str,
    project: str,
    sender: Any,
    sign_with: SignWith | None = None,
) -> None:
    key = (name, template, project)
    if _builders.get(name) is builder and _sign_with.get(key, sign_with) is not sign_with:
        raise ValueError(
            f"{name} is declared twice for the template {template!r}. A document doesn't know "
            "which event it is of, so give both declarations the same sign_with function."
        )
    _builders[name] = builder
    _sign_with[key] = sign_with
    _senders[name] = sender
    _templates.setdefault(project, set()).add(template)


def templates_of(project: str) -> set[str]:
    """Return the slugs that declarations render in a project."""
    return set(_templates.get(project, ()))


def build(render: Render) -> Built | None:
    """Return data and signers of a declared document, from its source as it is saved now.

    Raises ``BuilderError`` where the function raises or its source is gone, and
    ``UnknownBuilder`` where no such function is declared. ``WrongSchema`` comes up where this
    connection can't read in the schema of the source.
    """
    builder = _builders.get(render.builder)
    if builder is None:
        raise UnknownBuilder(
            f"This worker knows no function {render.builder!r}. If it is older than the code, "
            "restart it. If the function was moved or renamed while this document waited, bring "
            "it back under that name."
        )
    if render.source_type is None:
        raise BuilderError("It is about no object, so its data can't be made again.")
    sign_with = _sign_with.get((render.builder, render.template, render.project))
    with render.in_schema():  # what the function reads besides is in it too
        source = render.read_source(_senders.get(render.builder))
        if source is None:
            gone = f"{render.source_type} {render.source_id}{render.shown_place}"
            raise BuilderError(f"{gone} does not exist any more.")
        return call(builder, sign_with, source, {}, using=render.source_db or database())


def call(
    builder: Builder,
    sign_with: SignWith | None,
    source: object,
    arguments: Mapping[str, Any],
    *,
    using: str,
) -> Built | None:
    """Return what the functions make of a source, checked; raise ``BuilderError``.

    They run in a transaction, or savepoint, of the source's database, so that an error of the
    database in them breaks nothing else. Without data nobody is asked who signs. What is no fault
    of theirs is raised as it is: an outage, to be tried again, and what has broken a transaction.
    """
    at = "makes the data of"
    try:
        with transaction.atomic(using=using):
            data = builder(source, **arguments)
            if data is None:
                return None
            data = check_data(data)
            at = "says who signs"
            envelope = sign_with(source) if sign_with else None
        return Built(data, _checked(envelope))
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        # A savepoint that is gone (MySQL's after a deadlock) protects nobody's transaction.
        if is_outage(error) or breaks_transaction(error, saved=using):
            raise
        # Staff are shown what it says; whoever mends it wants to know where.
        logger.exception("The function that %s a document raised.", at)
        raise BuilderError(describe(error)) from error


def describe(error: Exception) -> str:
    """Return what staff are shown of an exception."""
    return str(storable(f"{type(error).__name__}: {error}"))


def _checked(envelope: Envelope | None) -> Envelope | None:
    if envelope is None:
        return None
    if not isinstance(envelope, Envelope):
        raise TypeError(
            f"The sign_with function returned a {type(envelope).__name__}. "
            "Return a django_craftkit.signing.Envelope, or None where nobody is to sign."
        )
    envelope.check()
    return envelope


def ask_signatures(render: Render, envelope: Envelope | None) -> None:
    """Write the signature request of this attempt, in the transaction that stores its data.

    What somebody has cancelled is not asked for again unasked.
    """
    last = _last_declared(render)
    if last is not None:
        if last.ended_by == SignatureRequest.CancelCode.REQUESTED:
            return
        if last.status == SignatureRequest.Status.PENDING:
            last.make_way()  # nobody shall be asked twice
    if envelope is not None:
        SignatureRequest.objects.ask(
            render,
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
    """Ask the people of the attempt before, where this one goes with the data of that."""
    last = _last_declared(render)
    if last is None or last.ended_by == SignatureRequest.CancelCode.OTHER_DATA:
        return
    sent = last.as_sent()
    hours = sent.pop("expires_in_hours")
    envelope = Envelope(
        **sent | {"name": last.name}, expires_in=None if hours is None else timedelta(hours=hours)
    )
    ask_signatures(render, envelope)


def _last_declared(render: Render) -> SignatureRequest | None:
    """Return the declared request of an earlier attempt, the newest one."""
    if render.attempt == 1:
        return None
    rows = SignatureRequest.objects.using(database()).declared().filter(render=render.pk)
    last: SignatureRequest | None = rows.exclude(key=_key(render)).order_by("-pk").first()
    return last


def _key(render: Render) -> str:
    return f"{DECLARED}{render.attempt}"
