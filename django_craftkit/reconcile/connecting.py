"""This thread's connections: renewed before it works, and closed where they broke."""

from __future__ import annotations

from django.db import connections

from django_craftkit import database


def renew() -> None:
    """Close this thread's connections that are too old, or broke since it last worked."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            continue
        connection.close_if_unusable_or_obsolete()
        # That looks at those alone which have failed here; a server that restarts tells nobody.
        if connection.connection is not None and not connection.is_usable():
            connection.close()


def drop_broken() -> None:
    """Close this thread's connections that failed and can't be used any more."""
    for connection in connections.all(initialized_only=True):
        database.drop_broken(connection)
