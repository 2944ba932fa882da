"""Waking a worker once a request is committed, and carrying a job out at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from django.db import connections, transaction

from . import tenants, waking
from .failures import is_in_transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.base.base import BaseDatabaseWrapper

_is_silent = False
_carry_out: Callable[..., bool] | None = None


def set_silent(is_silent: bool) -> bool:
    """Wake nobody: a test does itself what is due. Return whether it was so before."""
    global _is_silent
    before, _is_silent = _is_silent, is_silent
    return before


def wake_on_commit(using: str) -> None:
    """Wake the loop of this tenant when the transaction of the request is committed."""
    if not _is_silent:
        transaction.on_commit(tenants.bound(wake), using=using, robust=True)


def wake(delay: float = 0.0) -> None:
    """Have a worker look at what is due of this tenant, in ``delay`` seconds; waits for nobody."""
    if not _is_silent:
        waking.wake(delay)


def register(carry_out: Callable[..., bool]) -> None:
    """Set the function that carries a job out: the loop is above the models, not below."""
    global _carry_out
    _carry_out = carry_out


def carry_out(
    kind: str, object_id: int, *, timeout: float, until: Callable[[], bool] | None = None
) -> bool:
    """Do what is due for one object now, until ``until`` is true or ``timeout`` seconds are over.

    Without ``until`` once. Returns whether it is true, or Craftkit has answered.
    """
    refuse_transaction()
    if _carry_out is None:
        raise RuntimeError("django_craftkit is not in INSTALLED_APPS, or the apps aren't ready.")
    return _carry_out(kind, object_id, timeout=timeout, until=until)


def refuse_transaction() -> None:
    """Raise ``RuntimeError`` inside a transaction: nothing is sent that could be rolled back."""
    for connection in connections.all(initialized_only=True):
        if is_in_transaction(connection) and not _is_of_test_case(connection):
            raise RuntimeError(
                "wait(), wait=True and create_session() call Craftkit at once, which must not be "
                f"inside a transaction (one is open in {connection.alias!r}): it could be rolled "
                "back. Leave the transaction first; a view under ATOMIC_REQUESTS is "
                "non_atomic_requests."
            )


def _is_of_test_case(connection: BaseDatabaseWrapper) -> bool:
    """Whether the transaction that is open is a test case's alone, as Django's own check knows."""
    if not connection.in_atomic_block:
        return False
    try:
        with transaction.atomic(using=connection.alias, durable=True):
            return True
    except RuntimeError:
        return False


def isolated(using: str) -> AbstractContextManager[object]:
    """Return a savepoint inside a transaction, and nothing outside: foreign code may fail."""
    connection = connections[using]
    return transaction.atomic(using=using) if is_in_transaction(connection) else nullcontext()
