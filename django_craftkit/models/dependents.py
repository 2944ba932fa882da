"""What links and signature requests have in common: the document that each refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

from django.db import connections

from django_craftkit.database import database, lock

from .exceptions import NothingToRender, RenderWithdrawn
from .render import Render

if TYPE_CHECKING:
    from .share import Share
    from .signature import SignatureRequest

#: What the keys of what a declaration requests begin with; the attempt follows.
DECLARED = "declared "

Row = TypeVar("Row", "Share", "SignatureRequest")


def lock_render(pk: int, *, is_removable: bool = False) -> bool:
    """Lock a document where it can't be referred to while another has it locked.

    A row that refers to it would wait for them then, and they for the row: a deadlock. One that
    ``is_removable`` stays until the caller's transaction has ended. Returns whether it is there.
    """
    using = database()
    features = connections[using].features
    if not features.has_select_for_no_key_update:
        if not features.has_select_for_update:
            # SQLite has one writer, and it is this one from here on, or its transaction fails.
            return not is_removable or Render.objects.using(using).filter(pk=pk).exists()
        return lock(Render.objects.using(using)).filter(pk=pk).values("pk").first() is not None
    if not is_removable:
        return True
    # PostgreSQL looks for the document when the caller's transaction ends. If it were gone by
    # then, everything in that would be rolled back.
    with connections[using].cursor() as cursor:
        table = connections[using].ops.quote_name(Render._meta.db_table)
        cursor.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR KEY SHARE", [pk])  # noqa: S608
        return cursor.fetchone() is not None


def lock_to_retry(row: Row) -> Row:
    """Lock a row and return it as it is now; raise ``RenderWithdrawn``."""
    lock_render(row.render_id)
    refuse_withdrawn(row.render_id)
    return lock(type(row).objects.writer()).get(pk=row.pk)


def refuse_withdrawn(pk: int) -> Render | None:
    """Raise ``RenderWithdrawn``; what is written while it is withdrawn is never sent.

    Returns the row; ``None`` where it is gone.
    """
    # No lock: who revokes a link and requests another, in one transaction, would lock it in the
    # wrong order, and meet the worker.
    columns = ("withdrawn_at", "template", "key", "status", "builder", "attempt", "priority")
    row: Render | None = Render.objects.writer().only(*columns).filter(pk=pk).first()
    if row is not None and row.withdrawn_at is not None:
        raise RenderWithdrawn(f"{row} was withdrawn: it goes to nobody any more.")
    return row


def refuse_gone(render: Render) -> NoReturn:
    """Raise ``NothingToRender`` about a document whose row is gone."""
    render._reread()
    raise NothingToRender(render)


def carried_out(row: Row, timeout: float) -> Row:
    """Return a row that was just requested, carried out for up to ``timeout`` seconds."""
    if timeout:
        row._carry_out(timeout)
        # A replica may not have it yet.
        row.render = Render.objects.writer().get(pk=row.render_id)
    return row
