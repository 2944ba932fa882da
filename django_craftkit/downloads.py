"""This site's own addresses of documents: for whoever has the right, and for guests with a link.

The PDF comes from the archive, else from Craftkit, with the key on this side. Nobody is sent to
Craftkit's public address of it.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.mixins import AccessMixin
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature
from django.http import Http404
from django.shortcuts import render as page
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views import View

from . import clock, conf
from .database import non_atomic
from .files import SECONDS, FileUnavailable, streamed
from .models import EngagementEvent, Render, RenderFailed
from .models.downloading import GuestLink
from .permissions import allows, owns_source
from .visibility import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

#: Craftkit counts once what is recorded twice within this time.
_COUNTED_ONCE = timedelta(minutes=5)


# Who may download a document: what ``CRAFTKIT["DOWNLOAD_PERMISSION"]`` may name.


def has_permission(request: HttpRequest, render: Render | None) -> bool:
    """Whether the visitor has ``craftkit.download_render``, for everything or for this document.

    This is the rule unless ``CRAFTKIT["DOWNLOAD_PERMISSION"]`` names another.
    """
    return allows(_user_of(request), "download_render", render)


def own_documents(request: HttpRequest, render: Render) -> bool:
    """Whether the document is about an object of the visitor's own.

    ``CRAFTKIT["API_OWNERS"]`` says whose an object is. REST framework is not needed.

    Raises:
        Http404: a user asks for another's document: it is as if there were none.
    """
    user = _user_of(request)
    if not user.is_authenticated:
        return False
    if not owns_source(user, render):
        raise Http404
    return True


def check_access(request: HttpRequest, render: Render | None) -> None:
    """Raise ``PermissionDenied`` or ``Http404`` unless the visitor may download a document.

    ``render``: ``None`` where there is no such document.
    """
    path = conf.options().DOWNLOAD_PERMISSION
    if path is None:
        is_allowed = has_permission(request, render)
    elif render is None:
        # Whoever has not logged in learns nothing of what there is.
        is_allowed = _user_of(request).is_authenticated
    else:
        is_allowed = import_string(path)(request, render)
    if not is_allowed:
        raise PermissionDenied
    if render is None:
        raise Http404


def _user_of(request: HttpRequest) -> Any:
    return getattr(request, "user", None) or AnonymousUser()


# The views.


class _Download(View):
    http_method_names = ["get", "head"]
    #: What the engagement event says of where it was downloaded.
    source = ""
    #: What each answer has besides: no cache and no search engine keeps it.
    headers: Mapping[str, str] = {"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex"}

    @classmethod
    def as_view(cls, **options: Any) -> Callable[..., HttpResponseBase]:
        # Craftkit is called, and no transaction may be open meanwhile. Who may do what is decided
        # here, and not by LoginRequiredMiddleware.
        return non_atomic(login_not_required(super().as_view(**options)))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        for name, value in self.headers.items():
            response.headers[name] = value
        return response

    def answer(self, render: Render) -> HttpResponseBase:
        """Hand the PDF out, or tell in words why there is none."""
        if render.erased_at is not None:
            return self.gone()
        if not render.is_final:
            return self.tell(_("The document is not ready yet."), 404)
        name = f"{render.template} {render.pk}"
        try:
            fetch = partial(render.open_file, timeout=SECONDS)
            began = partial(record, render, self.source)
            return streamed(self.request, fetch, name, render, on_begin=began)
        except RenderFailed:
            return self.tell(_("There is no PDF of this document."), 404)
        except FileUnavailable as error:
            if error.is_gone:
                return self.gone()
            told = self.tell(_("The document can't be opened at the moment. Try again later."), 503)
            told.headers["Retry-After"] = "60"
            return told

    def gone(self) -> HttpResponseBase:
        return self.tell(_("This document is not available any more."), 410)

    def tell(self, message: str, status: int) -> HttpResponseBase:
        return page(self.request, "craftkit/no_download.html", {"message": message}, status=status)


class Download(AccessMixin, _Download):
    """The address of a document for whoever has the right to it."""

    source = "site"

    def get(self, request: HttpRequest, pk: str) -> HttpResponseBase:
        # What the visitor may not know of is as if there were none.
        found = _read(int(pk), request)
        try:
            check_access(request, found)
        except PermissionDenied:
            self.raise_exception = not _has_login()
            return self.handle_no_permission()
        assert found is not None  # noqa: S101 - for type checkers: check_access has raised
        if found.withdrawn_at is not None and not has_permission(request, found):
            return self.gone()
        return self.answer(found)


class GuestDownload(_Download):
    """The address of a document for whoever has a link that this site has signed."""

    source = "guest link"
    # The address is all it takes: no other site learns it.
    headers = {**_Download.headers, "Referrer-Policy": "no-referrer"}

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        try:
            link = GuestLink.read(token)
        except (BadSignature, ValueError):
            raise Http404 from None
        if link.has_expired:
            return self.tell(_("This link has expired."), 410)
        found = _read(link.pk)
        if found is None or found.withdrawn_at is not None or not link.is_to(found):
            return self.gone()
        return self.answer(found)


def record(render: Render, source: str) -> None:
    """Record that a document was downloaded here, if settings say so; once in five minutes."""
    if not conf.options().RECORD_DOWNLOADS or render.remote_id is None:
        return
    downloaded, partner = EngagementEvent.Type.DOWNLOADED, EngagementEvent.Actor.PARTNER
    events = EngagementEvent.objects.writer().filter(
        render=render.pk, type=downloaded, actor=partner
    )
    if not events.filter(occurred_at__gt=clock.now() - _COUNTED_ONCE).exists():
        render.record(downloaded.value, {"source": source})


def _read(pk: int, request: HttpRequest | None = None) -> Render | None:
    rows = Render.objects.writer()
    if request is not None:
        rows = visible(rows, request)
    return rows.defer("data", "answer").filter(pk=pk).first()


def _has_login() -> bool:
    """Whether there is a page to log in at: Django's default may lead nowhere."""
    lazy: Any = settings
    if lazy.is_overridden("LOGIN_URL") or not settings.LOGIN_URL:
        return bool(settings.LOGIN_URL)
    try:
        resolve(settings.LOGIN_URL)
    except Resolver404:
        return False
    return True
