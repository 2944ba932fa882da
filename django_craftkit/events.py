"""Declarations: a business event becomes a document.

Write them in an app's ``craftkit.py``; it is found by itself, like ``admin.py``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections, models, router, transaction
from django.db.models.signals import post_save

from . import builders, declarations
from .builders import BuilderError
from .conf import DEFAULT_PROJECT
from .database import database, describe
from .declarations import Builder, Declaration, SignWith
from .failures import breaks_transaction
from .log import get_logger
from .models import Render
from .models.arguments import check_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.dispatch import Signal

logger = get_logger(__name__)

F = TypeVar("F", bound=Builder)


def render_on(
    signal: Signal,
    *,
    sender: object = None,
    template: str,
    key: Callable[[Any], str],
    when: Callable[[Any], bool] | None = None,
    recheck: Callable[[Any], bool] | None = None,
    snapshot: bool = False,
    sign_with: SignWith | None = None,
    project: str = DEFAULT_PROJECT,
    priority: str = "single",
    name: str = "",
) -> Callable[[F], F]:
    """Declare that an event renders a document; the function returns the template's data.

    ``signal`` is any Django signal; its ``instance`` is what the document is about and what
    ``when``, ``key`` and the function get. One ``key`` is one document, however often the event
    fires. The wish is written in the event's transaction; the data are built after its commit, in
    the worker, from what was really saved. ``snapshot=True`` builds them on the spot, and so does
    a signal without ``instance``, where the function gets the sender and the signal's arguments.
    Saves with ``raw=True`` (fixtures) are ignored. A function that returns ``None`` has nothing to
    render; one that raises makes the document ``rejected``, which staff can retry.

    ``recheck`` is asked in the worker, of the object as it is saved by then, before the data are
    built: for signals that are sent before the save. Where it is false the worker asks again for
    a minute, then the document is ``rejected`` with the code ``not_confirmed``.

    ``sign_with`` gets what ``key`` gets, when the data are built, and returns an ``Envelope``
    (``django_craftkit.signing``) that says who is to sign the document, or ``None``. Where it
    raises, or names what can't be sent, the document is ``rejected`` too.

    ``priority="bulk"`` lets single documents go first, as in ``Render.objects.request``.

    ``name`` is what documents that wait find the declaration by: up to 255 characters, without
    it module and name of the function. Two functions never have one name.

    Raises ``TypeError`` for an argument of the wrong kind and ``ValueError`` for one that can't
    be right, when it is declared. What ``when`` or ``key`` raise is logged, and the event goes on.
    What can't be swallowed is raised in the event: an error of a database whose transaction is
    open there, which nobody could commit any more.
    """

    def declare(function: F) -> F:
        declaration = Declaration(
            function=function,
            signal=signal,
            sender=sender,
            template=template,
            key=key,
            when=when,
            recheck=recheck,
            snapshot=snapshot,
            sign_with=sign_with,
            project=project,
            priority=priority,
            name=name,
        )
        check_template(template)
        for replaced in declarations.add(declaration):
            replaced.signal.disconnect(sender=replaced.sender, dispatch_uid=replaced)

        def receive(sender: object, raw: bool = False, **kwargs: object) -> None:
            if raw:
                return
            with _business_goes_on(declaration.name):
                event = _Event(sender, kwargs, declaration)
                if when is None or when(event.about):
                    event.request(key(event.about))

        signal.connect(receive, sender=sender, weak=False, dispatch_uid=declaration)
        return function

    return declare


@contextmanager
def _business_goes_on(name: str) -> Iterator[None]:
    """Log what goes wrong with a document, where the event's rows are none the worse for it."""
    try:
        yield
    except SoftTimeLimitExceeded:
        raise  # the task that the event is in
    except Exception as error:
        if breaks_transaction(error):
            raise
        # What went wrong is for whoever wrote the declaration.
        logger.exception("The event of %s asked for no document.", name)


class _Event:
    """One time that a signal fired."""

    def __init__(self, sender: object, kwargs: dict[str, object], declaration: Declaration) -> None:
        instance = kwargs.get("instance")
        self.source = instance if isinstance(instance, models.Model) else None
        self.about = sender if instance is None else instance
        # A signal of the project's own may mean anything by it.
        using = kwargs.get("using")
        if isinstance(using, str) and using in list(connections):
            self.using = using
        else:
            self.using = self._database()
        self._kwargs = kwargs
        self._declaration = declaration
        # Its row is locked from here to the commit, by the UPDATE that was just sent.
        is_saved = declaration.signal is post_save and declaration.recheck is None
        self._saved_in = self.using if is_saved and self.source is not None else None

    def _database(self) -> str:
        if self.source is None:
            return database()
        return router.db_for_write(type(self.source), instance=self.source)

    def request(self, key: str) -> None:
        """Write the wish: with the event's transaction, or right after it in another database."""
        template, project = self._declaration.template, self._declaration.project
        built: builders.Built | None = None
        error = ""
        if self.source is None and self._declaration.recheck is not None:
            raise ValueError("recheck= is asked of a saved object, and this event has none.")
        if self._declaration.snapshot or self.source is None:
            try:
                built = self._build()
            except BuilderError as raised:
                error = str(raised)
            except Exception as raised:
                # An outage. What can't be made again as of this moment waits for staff to say so.
                if breaks_transaction(raised):
                    raise
                error = describe(raised)
            else:
                if built is None:
                    return

        def sign(render: Render) -> None:
            # A row that was there has other data, and the signers that go with those.
            if built is not None:
                builders.ask_signatures(render, built.envelope)

        def write() -> None:
            Render.objects.declare(
                template,
                built.data if built else None,
                builder=self._declaration.identity,
                build_error=error,
                source=self.source,
                key=key,
                project=project,
                priority=self._declaration.priority,
                complete=sign,
                saved_in=self._saved_in,
            )

        if self.using == database():
            write()
        else:
            # Django's robust=True would swallow what breaks a transaction of Craftkit's database.
            go_on = _business_goes_on(self._declaration.name)
            transaction.on_commit(go_on(write), using=self.using)

    def _build(self) -> builders.Built | None:
        told = {k: v for k, v in self._kwargs.items() if k not in ("instance", "signal")}
        return builders.call(self._declaration, self.about, told, using=self.using)
