"""Declarations: a business event becomes a document.

They are written in an app's ``craftkit.py``, which is found by itself, like ``admin.py``.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import connections, models, router, transaction
from django.db.models.signals import m2m_changed, post_save

from . import builders, declarations, relations, tenants, tracking
from .builders import BuilderError
from .conf import DEFAULT_PROJECT
from .database import database, describe
from .declarations import Builder, Declaration, SignWith
from .failures import breaks_transaction, time_limits
from .log import get_logger
from .models import Render
from .models.arguments import check_filename, check_template, check_version
from .models.default_key import default_key
from .models.identity import identify
from .models.problems import NO_PROBLEM, ErrorCode, Problem
from .signals import MirrorSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet
    from django.dispatch import Signal

    from .mailing import EmailTo

logger = get_logger(__name__)

F = TypeVar("F", bound=Builder)


def render_on(
    signal: Signal | Sequence[Signal],
    *,
    sender: object = None,
    template: str,
    key: Callable[[Any], str] | None = None,
    when: Callable[[Any], bool] | None = None,
    on_change: Sequence[str] = (),
    recheck: Callable[[Any], bool] | None = None,
    snapshot: bool = False,
    sign_with: SignWith | None = None,
    email_to: EmailTo | None = None,
    version: int | None = None,
    filename: str | Callable[[Any], str] = "",
    language: str | Callable[[Any], str | None] | None = None,
    project: str | Callable[[Any], str] = DEFAULT_PROJECT,
    queryset: QuerySet[Any] | Callable[[], QuerySet[Any]] | None = None,
    priority: str = "single",
    name: str = "",
) -> Callable[[F], F]:
    """Declare that an event renders a document; the function returns the template's data.

    The event writes the document's request in its own transaction. The worker calls the function
    after the commit, with what was really saved. A function that returns ``None`` has nothing to
    render; one that raises makes the document ``rejected``, which staff can retry. Saves with
    ``raw=True`` (fixtures) are ignored.

    What ``when``, ``key`` or ``project`` raise is logged, and the event goes on. Only an error of
    a database whose transaction is open there is raised in the event: nobody could commit it any
    more. Upon a signal of this package it is called again, as any receiver that raises.

    A document upon ``form_submitted`` is about what the form was filled in for, and the function
    gets the ``FormSubmission``, as soon as it is stored. It is called again if it raises.

    Args:
        signal: any Django signal, or several: one document, whichever comes first. Its
            ``instance``, else a sender that is a model's object, is what the document is about, and
            what the function gets, like every function among these arguments. One without either
            calls it at once, with the sender and the signal's arguments.
        sender: only events of this sender; of any if None.
        template: its slug at Craftkit.
        key: returns up to 255 characters. One key is one document, however often the event fires.
            None: template and ``instance`` are the key, or template and data.
        when: only events for which it is true; all if None.
        on_change: names of fields; only saves that have changed one of them since the object was
            loaded or saved. A new row counts as changed. For ``post_save`` with a ``sender``.
        recheck: for signals that are sent before the save. The worker calls it with the saved
            object, before it builds the data. While it is false the worker retries for a minute,
            then the document is ``rejected`` with the code ``not_confirmed``.
        snapshot: build the data at once, in the event.
        sign_with: called when the data are built; returns an ``Envelope``
            (``django_craftkit.signing``) that says who is to sign, or ``None``. Where it raises,
            or names what can't be sent, the document is ``rejected``.
        email_to: called when the data are built; returns an address, a ``Mail``
            (``django_craftkit.mailing``), a list of these, or ``None``. Craftkit mails each of
            them a link, once, as soon as the document is ready. Where it raises, or names what
            can't be mailed, the document is ``rejected``.
        version: a published version of the template to pin; None: the current one.
        filename: of the PDF, at Craftkit and where this site hands it out, up to 255 characters, or
            what returns it. Separators and control characters become ``-``. "": Craftkit names it,
            and this site by its key.
        language: that is active while the functions run that make the document: one of
            ``LANGUAGES``, or what returns it. None: ``LANGUAGE_CODE``; for a snapshot, the
            language that is active at the event.
        project: an alias of ``CRAFTKIT_PROJECTS``, or what returns it.
        queryset: the objects that should have a document, or a function without arguments that
            returns them; ``craftkit_doctor`` tells how many have none.
        priority: ``"single"``; ``"bulk"`` lets single documents go first.
        name: what waiting documents find the declaration by, up to 255 characters; module and name
            of the function if empty. Two functions never have one name.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument can't be right. Both are raised when it is declared.
    """

    def declare(function: F) -> F:
        # All that can be wrong is found before the first is connected.
        for declaration in [
            Declaration(
                function=function,
                signal=one,
                sender=sender,
                template=template,
                key=key,
                when=when,
                on_change=on_change,  # type: ignore[arg-type] # it is checked there
                recheck=recheck,
                snapshot=snapshot,
                sign_with=sign_with,
                email_to=email_to,
                version=version,
                filename=filename,
                language=language,
                project=project,
                queryset=queryset,
                priority=priority,
                name=name,
            )
            for one in _signals(signal)
        ]:
            check_template(template)
            check_version(version)
            if isinstance(filename, str):
                check_filename(filename)
            _connect(declaration)
        return function

    return declare


def _signals(given: Signal | Sequence[Signal]) -> list[Signal]:
    if not isinstance(given, (list, tuple)):
        return [given]  # type: ignore[list-item] # it is checked where it is declared
    if not given:
        raise ValueError("render_on is given no signal: write one, or a list of them.")
    return list(dict.fromkeys(given))


def _connect(declaration: Declaration) -> None:
    if declaration.on_change:
        declaration.with_sender(partial(tracking.track, names=declaration.on_change))
    for replaced in declarations.add(declaration):
        replaced.signal.disconnect(sender=replaced.sender, dispatch_uid=replaced)

    # The worker sends them, after a commit: nobody's business is in there, and whoever raises is
    # called again.
    is_sent_again = isinstance(declaration.signal, MirrorSignal)
    guard = nullcontext if is_sent_again else _business_goes_on

    def receive(sender: object, raw: bool = False, **kwargs: object) -> None:
        if raw:
            return
        sources: Sequence[object] = ()
        with guard(declaration.name):
            sources = _sources(declaration, sender, kwargs)
        for source in sources:
            with guard(declaration.name):
                _Event(sender, {**kwargs, "instance": source}, declaration).ask()

    # What failed is known by it, and shown.
    receive.__module__, receive.__qualname__ = "render_on", declaration.name
    signal, sender = declaration.signal, declaration.sender
    signal.connect(receive, sender=cast("Any", sender), weak=False, dispatch_uid=declaration)


def ask_for(declaration: Declaration, source: models.Model) -> bool:
    """Ask for the document of an object that is saved, as the event of it would.

    Returns whether the declaration is for it: whether ``when`` says so. Raises whatever its
    functions raise, and what the database does.
    """
    event = _Event(type(source), {"instance": source}, declaration)
    # Nobody has just saved it: its row is locked by nobody, and no commit is to come.
    event.saved_in, event.is_committed = None, True
    return event.ask()


def _sources(declaration: Declaration, sender: object, told: dict[str, Any]) -> Sequence[object]:
    """Return the instances that an event is of, ``None`` for a signal without; none of no event."""
    if declaration.signal is m2m_changed:
        return relations.changed(sender, told)
    names, instance = declaration.on_change, told.get("instance")
    return [] if names and not tracking.has_changed(instance, names) else [instance]


@contextmanager
def _business_goes_on(name: str) -> Iterator[None]:
    """Log what goes wrong with a document, where the event's rows are none the worse for it."""
    try:
        yield
    except time_limits():
        raise  # the task that the event is in
    except Exception as error:
        if breaks_transaction(error):
            raise
        # What went wrong is for whoever wrote the declaration.
        logger.exception("The event of %s asked for no document.", name)


class _Event:
    """One time that a signal fired."""

    #: Whether what it is about was committed before.
    is_committed = False

    def __init__(self, sender: object, kwargs: dict[str, object], declaration: Declaration) -> None:
        instance = kwargs.get("instance")
        self.about = sender if instance is None else instance
        self.source = self.about if isinstance(self.about, models.Model) else None
        # A signal of the project's own may mean anything by it.
        using = kwargs.get("using")
        if isinstance(using, str) and using in list(connections):
            self.using = using
        elif self.source is None:
            self.using = database()
        else:
            self.using = router.db_for_write(type(self.source), instance=self.source)
        if declaration.is_about_subject:
            self.source = declaration.signal.subject(self.about)  # type: ignore[attr-defined]
        self._kwargs = kwargs
        self._declaration = declaration
        # Its row is locked from here to the commit, by the UPDATE that was just sent.
        is_saved = declaration.signal is post_save and declaration.recheck is None
        self.saved_in = self.using if is_saved and self.source is not None else None

    def ask(self) -> bool:
        """Write the request where ``when`` says so; return whether it does."""
        declaration = self._declaration
        if declaration.when is not None and not declaration.when(self.about):
            return False
        alias = declaration.project_of(self.about)
        self._request(self._key(), alias)
        return True

    def _key(self) -> str:
        """Return the key of the document; "": what it is about, or its data."""
        declaration, about = self._declaration, self.about
        if declaration.key is not None:
            return declaration.key(about)
        if declaration.is_about_subject and isinstance(about, models.Model):
            # One of each event, however many are about the same object.
            return default_key(declaration.template, None, identify(about))
        return ""

    def _request(self, key: str, project: str) -> None:
        """Write the request in the event's transaction; right after it in another database."""
        declaration = self._declaration
        built: builders.Built | None = None
        problem = NO_PROBLEM
        if self.source is None and declaration.recheck is not None:
            raise ValueError("recheck= is asked of a saved object, and this event has none.")
        is_made_here = declaration.snapshot or declaration.is_about_subject
        if is_made_here or self.source is None:
            told = {k: v for k, v in self._kwargs.items() if k not in ("instance", "signal")}
            if declaration.is_about_subject:
                told = {}
            try:
                built = builders.call(declaration, self.about, told, using=self.using)
            except BuilderError as raised:
                if declaration.is_about_subject:
                    raise
                problem = raised.problem
            except Exception as raised:
                # An outage. Data of this moment can't be made later: the document waits for staff.
                if declaration.is_about_subject or breaks_transaction(raised):
                    raise
                problem = Problem(ErrorCode.BUILDER_FAILED, describe(raised))
            else:
                if built is None:
                    return

        def send(render: Render) -> None:
            # A row that was there has other data, and the people that go with those.
            if built is not None:
                builders.send_declared(render, built)

        def write() -> None:
            Render.objects.declare(
                declaration.template,
                built.data if built else None,
                builder=declaration.identity,
                problem=problem,
                source=self.source,
                key=key,
                project=project,
                version=declaration.version,
                filename=built.filename if built else "",
                priority=declaration.priority,
                complete=send,
                saved_in=self.saved_in,
            )

        if self.is_committed or self.using == database():
            write()
        else:
            # Django's robust=True would swallow what breaks a transaction of Craftkit's database.
            go_on = _business_goes_on(declaration.name)
            transaction.on_commit(go_on(tenants.bound(write)), using=self.using)
