"""Which fields of a row changed with a save: for ``on_change=`` of ``render_on``.

An object remembers what its row holds: from when it is loaded, refreshed or saved, without a query.
What a transaction has saved counts until it is rolled back; then the row holds what it held before,
and a retry on the same object is a change again. What nobody remembers counts as changed: to make
one event too many costs little, since a key is one document; to lose one costs the document.
"""

from __future__ import annotations

import copy
import weakref
from datetime import date, time, timedelta
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from django.core.files.base import File
from django.db import DEFAULT_DB_ALIAS, connections, models, router, transaction
from django.db.models.signals import post_init, post_save, pre_save

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Values: TypeAlias = dict[str, object]

#: Where an object keeps what it remembers.
_KEPT = "_craftkit_tracked"
#: What can't be changed in place.
_SIMPLE = (str, int, float, Decimal, bytes, date, time, timedelta, UUID, type(None))
#: Of each model that is tracked, by the names of the attributes, the fields.
_tracked: dict[type[models.Model], dict[str, models.Field[Any, Any]]] = {}


def track(model: type[models.Model], names: Iterable[str]) -> None:
    """Have objects of exactly this model remember these fields, from now on.

    Raises ``ValueError`` for a name that is no field with a column of the model's.
    """
    fields = {field.attname: field for field in (_field(model, name) for name in names)}
    # The model's declarations are connected after these, and find what they have found. Once more
    # does nothing.
    for signal, receiver in ((post_init, _loaded), (pre_save, _saving), (post_save, _saved)):
        signal.connect(receiver, sender=model, dispatch_uid="craftkit.tracking")
    if model not in _tracked:
        _watch_refresh(model)
    _tracked.setdefault(model, {}).update(fields)


def has_changed(instance: object, names: Iterable[str]) -> bool:
    """Whether the save whose ``post_save`` is being sent has changed one of these fields."""
    fields = _tracked.get(type(instance), {})  # type: ignore[arg-type]
    memory = instance.__dict__.get(_KEPT)
    wanted = set(names)
    of_names = {name for name, field in fields.items() if wanted & {name, field.name}}
    return memory is None or not of_names.isdisjoint(memory.changed)


class _Memory:
    """What an object knows of its row."""

    def __init__(self, owner: models.Model | None, values: Values) -> None:
        #: A copy of the object is another, and remembers nothing.
        self.owner = None if owner is None else id(owner)
        self.pk = None if owner is None else owner.pk
        self.changed: Collection[str] = ()
        #: What was saved in transactions, or savepoints, that are open, innermost last; before it
        #: what was there before.
        self._stack: list[tuple[weakref.ref[_Commit] | None, object, Values]] = [
            (None, None, values)
        ]

    def __reduce__(self) -> Any:
        # Nobody tells a copy, or what is unpickled, how a transaction ends.
        is_certain = len(self._stack) == 1 and self._stack[0][0] is None
        return _unpickled, (self.pk, self.values if is_certain else {})

    def is_of(self, instance: models.Model) -> bool:
        if self.owner is None:
            self.owner = id(instance)
        return self.owner == id(instance) and self.pk == instance.pk

    @property
    def values(self) -> Values:
        """What the row holds, as far as it is known."""
        while (ref := self._stack[-1][0]) is not None and ref() is None:
            self._stack.pop()  # rolled back: nobody calls it any more
        return self._stack[-1][2]

    def learn(self, values: Values, using: str) -> None:
        """Note what the row holds from now on, unless the transaction is rolled back."""
        values = {**self.values, **values}
        connection = connections[using]
        if not connection.in_atomic_block:
            # Outside of atomic() nobody tells how a transaction ends that was begun by hand.
            self._stack = [(None, None, values if connection.get_autocommit() else {})]
            return
        scope = tuple(connection.savepoint_ids)
        ref, its_scope, _before = self._stack[-1]
        if ref is not None and its_scope == scope:
            self._stack[-1] = (ref, scope, values)
            return
        commit = _Commit(self)
        self._stack.append((weakref.ref(commit), scope, values))
        transaction.on_commit(commit, using=using)

    def committed(self, commit: _Commit) -> None:
        """Forget what was before what has been committed now."""
        for place, (ref, _scope, values) in enumerate(self._stack):
            if ref is not None and ref() is commit:
                self._stack[: place + 1] = [(None, None, values)]
                return


class _Commit:
    """Waits for a commit; the connection alone holds it, and lets it go in a rollback."""

    __slots__ = ("__weakref__", "_memory")

    def __init__(self, memory: _Memory) -> None:
        self._memory = memory

    def __call__(self) -> None:
        self._memory.committed(self)


def _unpickled(pk: object, values: Values) -> _Memory:
    memory = _Memory(None, values)
    memory.pk = pk
    return memory


class _Unknown:
    """What equals nothing: an expression, say, of which only the database knows the value."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False


def _loaded(sender: type[models.Model], instance: models.Model, **kwargs: object) -> None:
    instance.__dict__[_KEPT] = _Memory(instance, _values(instance, _tracked[sender]))


def _saving(
    sender: type[models.Model], instance: models.Model, using: str, **kwargs: object
) -> None:
    state = instance._state
    # Read from a replica, it is the row of the primary; saved to a third database it is not.
    is_elsewhere = state.db not in (None, using) and using != router.db_for_write(sender)
    if state.adding or is_elsewhere:
        # Its values were never loaded, also where there is such a row.
        instance.__dict__.pop(_KEPT, None)


def _saved(
    sender: type[models.Model],
    instance: models.Model,
    created: bool = False,
    update_fields: Collection[str] | None = None,
    using: str = DEFAULT_DB_ALIAS,
    **kwargs: object,
) -> None:
    fields = _tracked[sender]
    memory = instance.__dict__.get(_KEPT)
    if created or memory is None or not memory.is_of(instance):
        memory = instance.__dict__[_KEPT] = _Memory(instance, {})
    saved = {
        name: field
        for name, field in fields.items()
        if update_fields is None or not {name, field.name}.isdisjoint(update_fields)
    }
    known, values = memory.values, _values(instance, saved)
    # An expression that the database has resolved may be read when it is looked at.
    values.update({name: _Unknown() for name in saved if name in known and name not in values})
    memory.changed = {
        name
        for name, value in values.items()
        if not _is_same(fields[name], known.get(name), value) or name not in known
    }
    memory.learn(values, using)


def _watch_refresh(model: type[models.Model]) -> None:
    """Have an object remember what is read anew, also of a field that was deferred."""
    refresh: Callable[..., None] = model.refresh_from_db

    @wraps(refresh)
    def refresh_from_db(self: models.Model, *args: Any, **kwargs: Any) -> None:
        fields = args[1] if len(args) > 1 else kwargs.get("fields")
        names = None if fields is None else list(fields)
        # As it was called, for whoever has overridden it; an iterator is read only once.
        if len(args) > 1:
            args = (args[0], names, *args[2:])
        elif "fields" in kwargs:
            kwargs["fields"] = names
        refresh(self, *args, **kwargs)
        tracked = _tracked.get(type(self))
        memory = self.__dict__.get(_KEPT)
        if tracked is None or memory is None:
            return
        read = {
            name: field
            for name, field in tracked.items()
            if names is None or not {name, field.name}.isdisjoint(names)
        }
        if not memory.is_of(self):
            memory = self.__dict__[_KEPT] = _Memory(self, {})
        memory.learn(_values(self, read), self._state.db or DEFAULT_DB_ALIAS)

    setattr(model, "refresh_from_db", refresh_from_db)  # noqa: B010 - mypy takes no method


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    known = {
        key: field for field in model._meta.concrete_fields for key in (field.name, field.attname)
    }
    if name not in known:
        hint = " A many-to-many field changes with m2m_changed." if _is_many(model, name) else ""
        raise ValueError(
            f"on_change= names {name[:64]!r}, which is no field with a column of "
            f"{model._meta.label}.{hint}"
        )
    return known[name]


def _is_many(model: type[models.Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.many_to_many)


def _values(instance: models.Model, names: Iterable[str]) -> Values:
    """Return the values of these attributes, but for those that are deferred."""
    held = instance.__dict__
    return {name: _kept(held[name]) for name in names if name in held}


def _kept(value: Any) -> object:
    """Return a value as it is now, whatever is done to it in place."""
    if isinstance(value, _SIMPLE):
        return value
    if isinstance(value, File):
        return value.name if getattr(value, "_committed", True) else _Unknown()
    if hasattr(value, "resolve_expression"):
        return _Unknown()
    try:
        return copy.deepcopy(value)
    except Exception:  # a project's own type: what can't be compared counts as changed
        return _Unknown()


def _is_same(field: models.Field[Any, Any], before: Any, after: Any) -> bool:
    """Whether a column holds the same; what raises, when it is compared, does not."""
    try:
        before, after = field.to_python(before), field.to_python(after)
        is_same = bool(before == after)
    except Exception:
        return False
    # JSON that Python says is equal may be another: true is no 1.
    return is_same and (not isinstance(after, (dict, list)) or repr(before) == repr(after))
