"""What every page with a session has in common: no cache, no transaction, no Referer elsewhere."""

from __future__ import annotations

from functools import wraps
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render as page
from django.utils.translation import gettext as _

from django_craftkit.database import non_atomic

from .errors import SessionUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from .sessions import Session

#: Seconds after which a visitor may try again.
_AGAIN = "60"
_HEADERS = {
    # A session opens the form, or the builder, to whoever reads it.
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
    # Without any, browsers name no origin with a page's other forms, and Django refuses them.
    "Referrer-Policy": "same-origin",
}


def embedding_view(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Make a view fit to mint a session in: ``create_session`` may be called, and may fail.

    It runs outside of any transaction, also under ``ATOMIC_REQUESTS``. Its answers are kept by no
    cache and no search engine, and no other site is told its address. Where Craftkit opens no
    session, the answer is 503, with the page ``craftkit/no_form.html``.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            response = view(request, *args, **kwargs)
        except SessionUnavailable:
            response = tell(request, unavailable(), 503)
        return awaited(request, response) if isawaitable(response) else _kept_by_nobody(response)

    async def awaited(request: HttpRequest, answer: Any) -> HttpResponseBase:
        try:
            response = await answer
        except SessionUnavailable:
            response = await sync_to_async(tell)(request, unavailable(), 503)
        return _kept_by_nobody(response)

    if iscoroutinefunction(view):
        markcoroutinefunction(guarded)
    return non_atomic(guarded)


def _kept_by_nobody(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def unavailable() -> str:
    return _("This can't be opened at the moment. Try again later.")


def tell(request: HttpRequest, message: str, status: int) -> HttpResponse:
    """Answer in words, as a page."""
    return _later(page(request, "craftkit/no_form.html", {"message": message}, status=status))


def tell_script(message: str, status: int) -> HttpResponse:
    """Answer in words that the page's script shows."""
    return _later(JsonResponse({"message": message}, status=status))


def _later(response: HttpResponse) -> HttpResponse:
    if response.status_code == 503:
        response.headers["Retry-After"] = _AGAIN
    return response


def opened(mint: Callable[[], Session], *, tells_why: bool = False) -> HttpResponse:
    """Answer the script of a page that opens its session itself, or has it renewed.

    ``tells_why``: whether the visitor is staff, who are told why there is none.
    """
    try:
        return JsonResponse(mint().for_browser)
    except SessionUnavailable as error:
        return tell_script(error.why if tells_why else unavailable(), 503)
