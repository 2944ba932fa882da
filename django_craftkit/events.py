"""Declarations: a business event becomes a document.

Write them in an app's ``craftkit.py``; it is found by itself, like ``admin.py``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models, router, transaction

from . import builders
from .builders import BuilderError
from .conf import DEFAULT_PROJECT
from .database import database
from .models import Render

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=builders.Builder)


def render_on(
    signal: Signal,
    *,
    sender: Any = None,
    template: str,
    key: Callable[[Any], str],
    when: Callable[[Any], bool] | None = None,
    snapshot: bool = False,
    sign_with: builders.SignWith | None = None,
    project: str = DEFAULT_PROJECT,
) -> Callable[[F], F]:
    """Declare that an event renders a document; the function returns the template's data.

    ``signal`` is any Django signal; its ``instance`` is what the document is about and what
    ``when``, ``key`` and the function get. One ``key`` is one document, however often the event
    fires. The wish is written in the event's transaction; the data are built after its commit, in
    the worker, from what was really saved. ``snapshot=True`` builds them on the spot, and so does
    a signal without ``instance``, where the function gets the sender and the signal's arguments.
    Saves with ``raw=True`` (fixtures) are ignored. A function that returns ``None`` has nothing to
    render; one that raises makes the document ``rejected``, which staff can retry.

    ``sign_with`` gets what ``key`` gets, when the data are built, and returns an ``Envelope``
    (``django_craftkit.signing``) that says who is to sign the document, or ``None``. Where it
    raises, or names what can't be sent, the document is ``rejected`` too.

    What ``when`` or ``key`` raise is logged, and the event goes on. A query that fails in them
    fails in the event's transaction, as any other would: let them look at the instance alone.
    """

    def declare(function: F) -> F:
        name = f"{function.__module__}.{function.__qualname__}"
        if "<lambda>" in name:
            raise ValueError("A function that makes a document's data needs a name to be found by.")
        builders.register(
            name,
            function,
            template=template,
            project=project,
            sender=sender,
            sign_with=sign_with,
        )

        def receive(sender: Any, raw: bool = False, **kwargs: Any) -> None:
            if raw:
                return
            try:
                event = _Event(sender, kwargs, name, function, sign_with)
                if when is None or when(event.about):
                    event.ask(template, key(event.about), project, snapshot=snapshot)
            except Exception:
                # The business goes on; what went wrong is for whoever wrote the declaration.
                logger.exception("The event of %s asked for no document.", name)

        signal.connect(receive, sender=sender, weak=False, dispatch_uid=(name, template, project))
        return function

    return declare


class _Event:
    """One time that a signal fired."""

    def __init__(
        self,
        sender: Any,
        kwargs: dict[str, Any],
        name: str,
        function: builders.Builder,
        sign_with: builders.SignWith | None,
    ) -> None:
        instance = kwargs.get("instance")
        self.source = instance if isinstance(instance, models.Model) else None
        self.about = sender if instance is None else instance
        self.using: str = kwargs.get("using") or self._database()
        self._arguments = {k: v for k, v in kwargs.items() if k not in ("instance", "signal")}
        self._name = name
        self._function = function
        self._sign_with = sign_with

    def _database(self) -> str:
        if self.source is None:
            return database()
        return router.db_for_write(type(self.source), instance=self.source)

    def ask(self, template: str, key: str, project: str, *, snapshot: bool) -> None:
        """Write the wish: with the event's transaction, or right after it in another database."""
        built: builders.Built | None = None
        error = ""
        if snapshot or self.source is None:
            try:
                built = self._build()
            except BuilderError as raised:
                error = str(raised)
            else:
                if built is None:
                    return

        def declare() -> Render:
            return Render.objects.declare(
                template,
                built.data if built else None,
                builder=self._name,
                build_error=error,
                source=self.source,
                key=key,
                project=project,
            )

        def write() -> None:
            if built is None or built.envelope is None:
                declare()
                return
            with transaction.atomic(using=database()):
                # A row that was there has other data, and the signers that go with those.
                is_known = Render.objects.is_known(key, project)
                render = declare()
                if not is_known:
                    builders.ask_signatures(render, built.envelope)

        if self.using == database():
            write()
        else:
            transaction.on_commit(write, using=self.using, robust=True)

    def _build(self) -> builders.Built | None:
        return builders.call(
            self._function, self._sign_with, self.about, self._arguments, using=self.using
        )
