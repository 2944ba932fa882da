"""Buttons and actions: each behind its permission; the views of buttons out of any transaction."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from django_craftkit import dispatch
from django_craftkit.database import non_atomic
from django_craftkit.models import NothingToRender
from django_craftkit.words import grouped

from .results import nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.functional import _StrOrPromise

    from .base import AnyAdmin

    M = TypeVar("M", bound=Model)
    _Permission = str | Callable[[Any], str] | None


Method = TypeVar("Method", bound="Callable[..., object]")

#: Seconds that a user at a screen waits for Craftkit.
SECONDS = 5.0
#: Rows that one confirmation takes.
MOST = 1000

#: Between the primary keys of a form: no language groups the digits of a number by it.
_BETWEEN = "-"
#: A primary key as Python writes it: no sign, no spaces, no digits but these ten.
_PK = re.compile(r"[1-9][0-9]{0,18}")

_MARK, _PERMISSION = "craftkit_button", "craftkit_permission"
_ONE = "<path:object_id>/"


class _View(NamedTuple):
    name: str
    route: str
    permission: _Permission
    methods: tuple[str, ...] = ("POST",)
    is_action: bool = False


def action(permission: str, description: _StrOrPromise) -> Callable[[Method], Method]:
    """Make a method of a ModelAdmin an action of its list, behind a permission."""

    def mark(method: Method) -> Method:
        vars(method).update({"short_description": description, _PERMISSION: permission})
        return method

    return mark


def row_action(
    route: str, permission: str, description: _StrOrPromise
) -> Callable[[Method], Method]:
    """Make a method an action of the list, and the button of a ``WorkAdmin``.

    It is called with the request and with rows.
    """
    view = _View(route.replace("-", "_"), f"{_ONE}{route}/", permission, is_action=True)

    def mark(method: Method) -> Method:
        setattr(method, _MARK, view)
        return action(permission, description)(method)

    return mark


def permission_of(model_admin: object, name: str) -> str | None:
    """Return the permission of an action of ours; ``None`` for any other."""
    method: Any = getattr(type(model_admin), name, None)
    return cast("str | None", getattr(method, _PERMISSION, None))


def button(
    route: str, permission: _Permission, *methods: str, name: str = ""
) -> Callable[[Method], Method]:
    """Make a method of a ModelAdmin a view at ``<pk>/route/``, or at ``/route`` of the list.

    ``permission`` is its codename, or what returns it for an object; ``None``: the method looks
    itself. It is called with the request, and with the object unless it is of the list.
    """
    slug = route.strip("/")
    where = f"{slug}/" if route.startswith("/") else f"{_ONE}{slug}/"
    view = _View(name or slug, where, permission, methods or ("POST",))

    def mark(method: Method) -> Method:
        setattr(method, _MARK, view)
        return method

    return mark


def buttons_of(model_admin: AnyAdmin) -> Iterator[URLPattern]:
    """Return the addresses of a ModelAdmin's buttons."""
    opts = model_admin.opts
    for attribute in sorted(dir(type(model_admin))):
        made = getattr(getattr(type(model_admin), attribute), _MARK, None)
        if made is not None:
            name = f"{opts.app_label}_{opts.model_name}_{made.name}"
            yield path(made.route, _view(model_admin, attribute, made), name=name)


def _view(model_admin: AnyAdmin, attribute: str, made: _View) -> Callable[..., HttpResponse]:
    method = getattr(model_admin, attribute)

    @functools.wraps(method)
    def view(request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        rows = [] if object_id is None else [model_admin.get_object(request, unquote(object_id))]
        _check(model_admin, request, made, *rows)
        if any(len(values) > 1 for _name, values in request.POST.lists()):
            raise BadRequest("No form of this site sends a field twice.")
        try:
            if made.is_action:
                method(request, rows)
                return model_admin.back(request, *rows)
            return cast("HttpResponse", method(request, *rows))
        except NothingToRender:
            # Its page is gone, while its button was pressed.
            return model_admin.tell(request, None, (messages.WARNING, nothing()))
        except Refused as error:
            return model_admin.tell(request, None, (messages.ERROR, str(error)))

    # Craftkit is called while nothing is open that could be rolled back.
    guarded = require_http_methods(made.methods)(view)
    return non_atomic(model_admin.admin_site.admin_view(guarded))


def _check(
    model_admin: AnyAdmin, request: HttpRequest, made: _View, obj: Model | None = None
) -> None:
    """Raise ``PermissionDenied``, or ``Http404`` for an object that isn't there, in this order."""
    codename = made.permission
    if callable(codename):
        codename = None if obj is None else codename(obj)
    if codename is not None and not model_admin.allows(request, codename, obj):
        raise PermissionDenied
    if obj is None and made.route.startswith(_ONE):
        raise Http404


def timeout() -> float:
    """Return for how long to wait: not at all where somebody else has opened a transaction."""
    try:
        dispatch.refuse_transaction()
    except RuntimeError:
        return 0.0
    return SECONDS


class Refused(Exception):
    """A form holds what no page of ours has written, or too much; its text says so to staff."""


def pk_of(text: str) -> int | None:
    """Return the primary key that a text is; ``None`` for any other text."""
    is_pk = _PK.fullmatch(text) and int(text) < 2**63
    return int(text) if is_pk else None


def as_chosen(rows: Iterable[Model]) -> str:
    """Return rows as the field ``ids`` of a form carries them."""
    return _BETWEEN.join(str(row.pk) for row in rows)


def chosen(request: HttpRequest, rows: QuerySet[M]) -> list[M]:
    """Return all of the rows that the field ``ids`` of a form names, in their order.

    Raises ``Refused`` where one of them can't be read or isn't there, and for more than ``MOST``:
    who confirms something confirms all of it, never what is left of it.
    """
    pks = [pk_of(word) for word in request.POST.get("ids", "").split(_BETWEEN)]
    if None in pks or len(set(pks)) < len(pks):
        raise Refused(not_as_written())
    if len(pks) > MOST:
        raise Refused(too_many())
    found = list(rows.filter(pk__in=pks).order_by("pk"))
    if len(found) < len(pks):
        raise Refused(_("Some of what was selected is not there any more. Nothing was done."))
    return found


def not_as_written() -> str:
    return _("This page can't be sent: it does not hold what this site wrote. Nothing was done.")


def too_many() -> str:
    most = grouped(MOST)
    return _("At most %s can be done at once. Narrow the list by a filter or a search.") % most


class Button(NamedTuple):
    """What a page shows of a button: a link to its view, or a form that is sent there."""

    label: str
    url: str
    is_post: bool = False
    tone: str = ""
