"""What ``render_on`` registers: which event makes which document, by which functions.

``events.py`` declares them; the worker, the system checks and the doctor find them here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.conf import settings
from django.db.models import Model, QuerySet
from django.db.models.signals import ModelSignal, m2m_changed, post_save, pre_save
from django.dispatch import Signal
from django.utils.translation import get_supported_language_variant

from . import credentials
from .conf import ALIAS, DEFAULT_PROJECT
from .functions import is_same, kind_of, origin_of, run_of
from .relations import is_table_between
from .untrusted import Json

if TYPE_CHECKING:
    from .mailing import EmailTo
    from .signing import Envelope

Builder = Callable[..., dict[str, Json] | None]
#: Who signs a document about an object; ``None``: nobody.
SignWith = Callable[[Any], "Envelope | None"]

#: Characters; what the column ``Render.builder`` holds.
MAX_NAME = 255
#: What is looked up when a document is built, by what its row holds of its declaration.
AT_BUILD = ("sign_with", "email_to", "recheck", "version", "filename", "language")


@dataclass(frozen=True, eq=False, kw_only=True)
class Declaration:
    """One event that makes a document, checked when it is made.

    The arguments are those of ``render_on``. Raises ``TypeError`` for what is of the wrong kind
    and ``ValueError`` for what can't be right.
    """

    function: Builder
    signal: Signal
    sender: object = None
    template: str
    #: ``None``: template and instance are the key.
    key: Callable[[Any], str] | None = None
    when: Callable[[Any], bool] | None = None
    #: Names of fields: only saves that have changed one of them.
    on_change: tuple[str, ...] = ()
    recheck: Callable[[Any], bool] | None = None
    snapshot: bool = False
    sign_with: SignWith | None = None
    email_to: EmailTo | None = None
    version: int | None = None
    #: Of the PDF; ``""``: Craftkit's own.
    filename: str | Callable[[Any], str] = ""
    #: ``None``: ``LANGUAGE_CODE``; for a snapshot the one that is active.
    language: str | Callable[[Any], str | None] | None = None
    project: str | Callable[[Any], str] = DEFAULT_PROJECT
    #: The objects that should have a document, or what returns them.
    queryset: QuerySet[Any] | Callable[[], QuerySet[Any]] | None = None
    priority: str = "single"
    #: ``""``: module and qualified name of the function.
    name: str = ""
    #: The module that made it, and which run of that.
    _run: tuple[str, object, object] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                f"render_on decorates a function, not a {kind_of(self.function)}: write a function "
                "that returns the data of the template."
            )
        object.__setattr__(self, "name", self._check_name())
        object.__setattr__(self, "_run", run_of(origin_of(self.function)))
        self._check_callables()
        self._check_values()
        self._check_sender()
        self._check_on_change()
        self._check_queryset()
        if len(self.identity) > MAX_NAME:
            raise ValueError(
                f"{self.name} is a name of over {MAX_NAME} characters. Give the declaration a "
                "shorter one with name=."
            )

    def _check_name(self) -> str:
        if not isinstance(self.name, str):
            raise TypeError(f"name= is a {kind_of(self.name)}. Write a str that never changes.")
        if not self.name:
            qualified = getattr(self.function, "__qualname__", "")
            if not qualified or "<lambda>" in qualified:
                raise ValueError(
                    "A function that makes a document's data needs a name to be found by: write "
                    "it with def, or name the declaration with name=."
                )
            return f"{self.function.__module__}.{qualified}"
        if "[" in self.name or not self.name.isprintable() or self.name != self.name.strip():
            raise ValueError(
                f"name={self.name[:64]!r} can't be used: write letters, digits, dots, - and _."
            )
        return self.name

    def _check_callables(self) -> None:
        # A snapshot's function may ask for what else the signal says.
        self._check_callable("The function", self.function, is_alone=False)
        for name in ("key", "when", "recheck", "sign_with", "email_to"):
            if (given := getattr(self, name)) is not None:
                self._check_callable(f"{name}=", given)
        for name in ("filename", "language", "project"):
            given = getattr(self, name)
            if not (isinstance(given, str) or (name == "language" and given is None)):
                self._check_callable(f"{name}=", given)
        if self.recheck is not None and self.snapshot:
            raise ValueError(
                f"{self.name} has both recheck= and snapshot=True. A snapshot is built from the "
                "event's own object, and recheck= is asked of the saved one: leave one out."
            )
        for name in ("recheck", "queryset"):
            if self.is_about_subject and getattr(self, name) is not None:
                raise ValueError(
                    f"{self.name} has {name}=, which is asked of what a document is about: upon "
                    "this signal that is another object than the signal's own. Leave it out."
                )

    @property
    def is_about_subject(self) -> bool:
        """Whether its documents are about another object than the one that the event is of.

        Nobody finds the event's own by them: their data are made in the event.
        """
        return getattr(self.signal, "subject", None) is not None

    def _check_callable(self, what: str, given: object, *, is_alone: bool = True) -> None:
        if not callable(given):
            raise TypeError(
                f"{what} of {self.name} is a {kind_of(given)}. Write a function of the event's "
                'instance, as in key=lambda order: f"invoice-{order.pk}".'
            )
        if iscoroutinefunction(given):
            raise TypeError(f"{what} of {self.name} is async. Write a plain function.")
        try:
            taken = inspect.signature(given, follow_wrapped=False)
        except ValueError:  # a builtin that doesn't tell
            return
        try:
            (taken.bind if is_alone else taken.bind_partial)(None)
        except TypeError as error:
            raise TypeError(
                f"{what} of {self.name} can't be called with the event's instance: {error}."
            ) from None

    def _check_values(self) -> None:
        for name, kind, advice in (
            ("snapshot", bool, "Write True or False."),
            ("template", str, "Write the slug that the template has at Craftkit."),
            ("priority", str, 'Write "single" or "bulk".'),
        ):
            if not isinstance(given := getattr(self, name), kind):
                raise TypeError(f"{name}= of {self.name} is a {kind_of(given)}. {advice}")
        if isinstance(self.project, str) and not ALIAS.fullmatch(self.project):
            raise ValueError(
                f"project={self.project[:64]!r} of {self.name} can be no alias of "
                "CRAFTKIT_PROJECTS: that has 1 to 64 letters, digits, - and _."
            )
        if isinstance(self.language, str):
            _supported(self.language)
        if self.priority not in ("single", "bulk"):
            raise ValueError(
                f"priority={self.priority[:64]!r} of {self.name} is no class of priority. "
                'Write "single" or "bulk".'
            )

    def _check_sender(self) -> None:
        if not isinstance(self.signal, Signal):
            raise TypeError(
                f"The signal of {self.name} is a {kind_of(self.signal)}. Write a Signal of "
                "Django's or of your own, as in render_on(post_save, …)."
            )
        if self.sender is None or not isinstance(self.signal, ModelSignal):
            return
        if isinstance(self.sender, str):
            self._check_lazy_sender(self.sender)
        elif not (isinstance(self.sender, type) and issubclass(self.sender, Model)):
            raise TypeError(
                f"sender= of {self.name} is a {kind_of(self.sender)}. Django's own signals are "
                'sent by models: write the class, or "app.Model".'
            )
        elif self.sender._meta.abstract or self.sender._meta.swapped:
            raise ValueError(
                f"sender= of {self.name} is {self.sender._meta.label}, which is "
                f"{'abstract' if self.sender._meta.abstract else 'swapped out'}: nothing is ever "
                "saved as it. Name the model that is."
            )
        elif self.signal is m2m_changed and not is_table_between(self.sender):
            raise ValueError(
                f"sender= of {self.name} is {self.sender._meta.label}, which no many-to-many field "
                "goes through: write the field's table, as in sender=Order.tags.through."
            )

    def _check_on_change(self) -> None:
        names = self.on_change
        if not isinstance(names, (tuple, list)) or not all(isinstance(one, str) for one in names):
            raise TypeError(
                f'on_change= of {self.name} is no tuple of names: write on_change=("status",).'
            )
        object.__setattr__(self, "on_change", tuple(names))
        if names and (self.signal is not post_save or self.sender is None):
            raise ValueError(
                f"on_change= of {self.name} is asked of what a model has saved: declare it for "
                "post_save, with a sender=."
            )

    def _check_queryset(self) -> None:
        given: Any = self.queryset
        sender: Any = self.sender
        is_rows = isinstance(given, QuerySet)
        if not (given is None or is_rows) and (isinstance(given, type) or not callable(given)):
            raise TypeError(
                f"queryset= of {self.name} is a {kind_of(given)}. Write a queryset, or a function "
                "without arguments that returns one."
            )
        is_of_model = self.signal in (pre_save, post_save) and isinstance(sender, type)
        if is_rows and is_of_model and not issubclass(given.model, sender):
            raise ValueError(
                f"queryset= of {self.name} has rows of {given.model._meta.label}, and its events "
                f"are of {sender._meta.label}."
            )

    def _check_lazy_sender(self, sender: str) -> None:
        try:
            if sender.count(".") != 1:
                raise LookupError("it is not of the form app.Model")
            # Where models are still being loaded, Django's own check tells (signals.E001).
            if apps.models_ready:
                apps.get_model(sender)
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"sender={sender!r} of {self.name} is no model: {error}. Write the class, or "
                '"app.Model".'
            ) from None

    def filename_of(self, source: object) -> str:
        """Return the name of the PDF of a document about this object."""
        return self.filename if isinstance(self.filename, str) else self.filename(source)

    def language_of(self, source: object) -> str | None:
        """Return the language that a document about this object is written in, if one is declared.

        Raises ``ValueError`` for one that this site has not.
        """
        if self.language is None or isinstance(self.language, str):
            return self.language
        # None: for objects of which nobody knows it, and never that of whoever is asking.
        return _supported(self.language(source) or settings.LANGUAGE_CODE)

    def project_of(self, source: object) -> str:
        """Return the alias of the project that renders a document about this object.

        Raises ``UnknownProject`` where a function returns what is none.
        """
        if isinstance(self.project, str):
            return self.project
        alias = self.project(source)
        if not isinstance(alias, str):
            raise TypeError(
                f"project= of {self.name} returned a {kind_of(alias)}. Return an alias of "
                "CRAFTKIT_PROJECTS."
            )
        credentials.check_project(alias)
        return alias

    def is_for(self, template: str, project: str) -> bool:
        """Whether it makes documents of this template in this project, or may."""
        return self.template == template and (callable(self.project) or self.project == project)

    def with_sender(self, act: Callable[[type[Model]], object]) -> None:
        """Call a function with the model that is the sender, once it is loaded."""
        if isinstance(self.sender, str):
            app, model = self.sender.split(".")
            apps.lazy_model_operation(act, (app, model.lower()))
        elif isinstance(self.sender, type) and issubclass(self.sender, Model):
            act(self.sender)

    def rows(self) -> QuerySet[Any] | None:
        """Return the objects of ``queryset``; ``None`` where that is not given."""
        rows = self.queryset() if callable(self.queryset) else self.queryset
        if not (self.queryset is None or isinstance(rows, QuerySet)):
            raise TypeError(f"queryset= of {self.name} returned a {kind_of(rows)}, no queryset.")
        return None if rows is None else rows.all()

    def missing(self) -> QuerySet[Any] | None:
        """Return the objects of ``queryset`` without a document; ``None`` where that is not given.

        One query. Raises ``NotSupportedError`` where none can tell.
        """
        if (rows := self.rows()) is None:
            return None
        project = self.project if isinstance(self.project, str) else None
        renders: Any = apps.get_model("craftkit", "Render")._default_manager
        return renders.lacking(rows, template=self.template, project=project)  # type: ignore[no-any-return]

    @property
    def place(self) -> str:
        """Where the function is written, as ``file:line``."""
        origin = origin_of(self.function)
        code = getattr(origin, "__code__", None)
        return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(origin)

    @property
    def proxy(self) -> type[Model] | None:
        """The proxy model that the function gets its object as."""
        model = self.sender
        if isinstance(model, str) and isinstance(self.signal, ModelSignal) and apps.models_ready:
            app, name = model.lower().split(".")
            model = apps.all_models.get(app, {}).get(name)
        if isinstance(model, type) and issubclass(model, Model) and model._meta.proxy:
            return model
        return None

    @property
    def identity(self) -> str:
        """What a row holds of it, beside its template and its project: its name.

        With a proxy model, which the row does not tell from the model itself, also that.
        """
        proxy = self.proxy
        return self.name if proxy is None else f"{self.name}[{proxy._meta.label}]"

    def is_repeated_by(self, other: Declaration) -> bool:
        """Whether another one is the same, made once more."""
        same = ("signal", "template", "project", "snapshot", "on_change")
        functions = ("function", "key", "when")
        return self.sender == other.sender and self._agrees(other, *same, *functions, *AT_BUILD)

    def is_outdated_by(self, other: Declaration) -> bool:
        """Whether the module that made this one has been run again, and has made the other."""
        module, names, spec = self._run
        other_module, other_names, other_spec = other._run
        return module == other_module and not (names is other_names and spec is other_spec)

    def is_mistaken_for(self, other: Declaration) -> bool:
        """Whether a document couldn't tell which of the two it is of, where that matters."""
        aliases = {one.project for one in (self, other) if isinstance(one.project, str)}
        is_alike = self._agrees(other, "identity", "template") and len(aliases) < 2
        return is_alike and not self._agrees(other, *AT_BUILD)

    def _agrees(self, other: Declaration, *names: str) -> bool:
        return all(is_same(getattr(self, name), getattr(other, name)) for name in names)


#: By name, in the order in which they were made.
_declared: dict[str, tuple[Declaration, ...]] = {}


def add(new: Declaration) -> list[Declaration]:
    """Register a declaration and return those that it replaces.

    Those are the ones of an earlier run of its module (``importlib.reload``), and the same one
    made before. Raises ``ValueError`` where two functions have one name, or where a document
    couldn't tell which of two declarations it is of.
    """
    known = _declared.get(new.name, ())
    replaced = [one for one in known if one.is_outdated_by(new) or one.is_repeated_by(new)]
    left = [one for one in known if one not in replaced]
    for one in left:
        if not is_same(one.function, new.function):
            raise ValueError(
                f"Two functions are declared as {new.name}: one at {one.place}, another at "
                f"{new.place}. Documents that wait are found by that name: rename one of them, or "
                "give each a name= of its own, as where another function makes them."
            )
        if one.is_mistaken_for(new):
            raise ValueError(
                f"{new.name} is declared twice for the template {new.template!r}. A document "
                "doesn't know which event it is of, so give both declarations the same "
                f"{', '.join(AT_BUILD)}, or one of them a name= of its own."
            )
    _declared[new.name] = (*left, new)
    return replaced


def declared() -> Iterator[Declaration]:
    """Yield all declarations, also while others are added."""
    for known in list(_declared.values()):
        yield from known


def templates_of(project: str) -> set[str]:
    """Return the slugs that declarations render in a project; see ``templates_of_some``."""
    return {one.template for one in declared() if one.project == project}


def templates_of_some() -> set[str]:
    """Return the slugs whose project a function says, document by document."""
    return {one.template for one in declared() if not isinstance(one.project, str)}


def of(identity: str, template: str, project: str) -> Declaration | None:
    """Return the declaration that a row is of; ``None`` where none has its name.

    The name alone counts for a row of an earlier version, and for one that waited while its
    declaration was given another template, project or sender.
    """

    def fit(one: Declaration) -> tuple[bool, bool]:
        return one.is_for(template, project), one.identity == identity

    # Of several the one made last.
    return max(reversed(_declared.get(identity.partition("[")[0], ())), key=fit, default=None)


def _supported(language: object) -> str:
    """Return a language's code; for a variant that this site has not, ``de-at``, the language."""
    if not isinstance(language, str):
        raise TypeError(f'language= is a {kind_of(language)}. Write a code, as in "de".')
    try:
        return get_supported_language_variant(language)
    except LookupError:
        raise ValueError(
            f"language={language[:64]!r} is none of this site's LANGUAGES, or has no translations."
        ) from None
