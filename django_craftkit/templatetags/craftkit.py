"""``{% load craftkit %}``: links, statuses and signatures. No tag ever calls Craftkit.

What a tag looks up itself is what the visitor of the page may know of (``CRAFTKIT["VISIBLE"]``).
What the view hands it, a document or what ``prefetch_for`` has read, is the view's choice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import template
from django.db.models import Model
from django.forms.utils import flatatt
from django.template.loader import get_template
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from django_craftkit.badges import describe, describe_signature, signature_token_of, token_of
from django_craftkit.embedding import Session
from django_craftkit.models import Render, Share, SignatureRequest
from django_craftkit.models.render_queryset import PREFETCHED
from django_craftkit.visibility import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from django.template.context import Context

    from django_craftkit.badges import Badge
    from django_craftkit.models.render_queryset import RenderQuerySet

    class Prefetched(Render):
        """As ``Render.objects.prefetch_for`` has read it."""

        open_links: list[Share]
        newest_requests: list[SignatureRequest]


register = template.Library()


class _Hidden(str):
    """A text for a template that an error page, which shows what templates are given, doesn't."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


def _documents(context: Context, about: Model, slug: str | None) -> RenderQuerySet:
    """Return the documents about an object that the page's visitor may know of."""
    renders: RenderQuerySet = Render.objects.for_object(about).defer("data", "answer")
    if slug:
        renders = renders.filter(template=slug)
    # A mail is made without a request: it has no visitor.
    request = context.get("request")
    return renders if request is None else visible(renders, request)


def _newest_render(context: Context, about: Model, slug: str | None) -> Render | None:
    if isinstance(about, Render):
        return about if not slug or slug == about.template else None
    if (prefetched := _prefetched(about, slug)) is not None:
        return next(iter(prefetched), None)
    render: Render | None = _documents(context, about, slug).first()
    return render


def _newest_download(context: Context, about: Model, slug: str | None) -> Render | None:
    """Return the newest document that is ready and was not withdrawn."""
    ready = Render.Status.SUCCEEDED
    if isinstance(about, Render):
        is_one = about.status == ready and about.withdrawn_at is None
        return _newest_render(context, about, slug) if is_one else None
    if (prefetched := _prefetched(about, slug)) is not None:
        known = (one for one in prefetched if one.status == ready and one.withdrawn_at is None)
        return next(known, None)
    renders = _documents(context, about, slug).filter(status=ready, withdrawn_at=None)
    render: Render | None = renders.first()
    return render


def _newest_link(context: Context, about: Model, slug: str | None) -> Share | None:
    """Return the newest open link that is for anybody."""
    if (prefetched := _prefetched(about, slug)) is not None:
        links = [share for render in prefetched for share in render.open_links]
        return max(links, key=lambda share: (share.requested_at, share.pk), default=None)
    renders: RenderQuerySet
    if isinstance(about, Render):
        renders = Render.objects.filter(pk=about.pk)
        renders = renders.filter(template=slug) if slug else renders
    else:
        renders = _documents(context, about, slug).order_by()
    shares = Share.objects.to_hand_out().filter(render__in=renders.values("pk"))
    share: Share | None = shares.only("url").first()
    return share


def _newest_request(context: Context, about: Model, slug: str | None) -> SignatureRequest | None:
    if isinstance(about, SignatureRequest):
        return about if not slug or slug == about.render.template else None
    prefetched = _prefetched(about, slug)
    if prefetched is not None and all(hasattr(one, "newest_requests") for one in prefetched):
        found = [request for render in prefetched for request in render.newest_requests]
        return max(found, key=lambda request: (request.requested_at, request.pk), default=None)
    if isinstance(about, Render):
        requests = SignatureRequest.objects.filter(render=about.pk).order_by("-requested_at", "-pk")
    else:
        requests = SignatureRequest.objects.for_object(about)
        if (request := context.get("request")) is not None:
            requests = visible(requests, request)
    if slug:
        requests = requests.filter(render__template=slug)
    newest: SignatureRequest | None = requests.only("status").with_signers().first()
    return newest


def _prefetched(about: Model, slug: str | None) -> list[Prefetched] | None:
    """Return what ``Render.objects.prefetch_for`` has read of this object."""
    renders = getattr(about, PREFETCHED, None)
    if renders is None or not slug:
        return renders
    return [render for render in renders if render.template == slug]


@register.simple_tag(takes_context=True)
def craftkit_share_url(context: Context, about: object, template: str | None = None) -> str:
    """The URL of the newest open link made for handing out, never one made for one person.

    Args:
        about: a share, a render, or any object that documents are about.
        template: the slug of a template; others' documents do not count. None: all count.

    Returns:
        The URL; "" if there is no such link.
    """
    if isinstance(about, Share):
        # What ``to_hand_out`` says of many.
        is_for_anybody = about.channel == Share.Channel.LINK and not about.recipient_email
        if not (about.is_open and is_for_anybody):
            return ""
        return about.url if not template or about.render.template == template else ""
    if not isinstance(about, Model) or about.pk is None:
        return ""
    share = _newest_link(context, about, template)
    return share.url if share else ""


@register.simple_block_tag(takes_context=True)
def craftkit_share_link(
    context: Context,
    content: str,
    about: object,
    template: str | None = None,
    **attributes: object,
) -> SafeString:
    """An ``<a>`` around the block's content, to the link that ``craftkit_share_url`` gives.

    Args:
        about, template: as in ``craftkit_share_url``.
        attributes: of the ``<a>``, escaped: ``class="btn"``; ``aria_label`` is ``aria-label``,
            ``True`` is one without a value, ``None`` and ``False`` are none.

    Returns:
        The element; "" if there is no such link.
    """
    url = craftkit_share_url(context, about, template)
    if not url:
        return SafeString()
    shown = {name.replace("_", "-"): one for name, one in attributes.items()}
    return format_html("<a{}>{}</a>", flatatt({**shown, "href": url}), content)


@register.simple_tag(takes_context=True)
def craftkit_download_url(
    context: Context,
    about: object,
    template: str | None = None,
    *,
    guest: bool = False,
    expires: float | timedelta | None = None,
) -> str:
    """This site's own address of the newest document that is ready and was not withdrawn.

    Args:
        about: a render, a share, or any object that documents are about.
        template: the slug of a template; others' documents do not count. None: all count.
        guest, expires: as in ``Render.get_download_url``: an address that works without a login
            for so many seconds.

    Returns:
        The address, without scheme and host; "" if there is no such document.
    """
    subject = _subject(about)
    render = None if subject is None else _newest_download(context, subject, template)
    if render is None:
        return ""
    try:
        return render.get_download_url(guest=guest, expires=expires)
    except NoReverseMatch:  # which a check under --deploy tells
        return ""


def _subject(about: object) -> Model | None:
    """Return the row that a badge is about; ``None`` for what isn't one, or isn't saved."""
    if isinstance(about, Share):
        about = about.render
    return about if isinstance(about, Model) and about.pk is not None else None


@register.simple_tag(takes_context=True)
def craftkit_status(context: Context, about: object, template: str | None = None) -> SafeString:
    """The status of the newest document, as a badge that refreshes itself.

    Args:
        about: a render, a share, or any object that documents are about.
        template: the slug of a template; others' documents do not count. None: all count.

    Returns:
        The badge; "" if there is no document.
    """
    subject = _subject(about)
    render = None if subject is None else _newest_render(context, subject, template)
    if render is None:
        return SafeString()
    return _badge(context, describe(render), lambda: token_of(render))


@register.simple_tag(takes_context=True)
def craftkit_signature(context: Context, about: object, template: str | None = None) -> SafeString:
    """The status of the newest signature request, as a badge that refreshes itself.

    Args:
        about: a signature request, a render, a share, or any object that documents are about.
        template: the slug of a template; others' documents do not count. None: all count.

    Returns:
        The badge; "" if there is no signature request.
    """
    subject = _subject(about)
    request = None if subject is None else _newest_request(context, subject, template)
    if request is None:
        return SafeString()
    return _badge(context, describe_signature(request), lambda: signature_token_of(request))


@register.simple_tag(takes_context=True)
def craftkit_embed(
    context: Context,
    session: Session | str,
    *,
    title: str = "",
    height: int = 720,
    close_url: str = "",
) -> SafeString:
    """Craftkit's builder or a form, in an iframe whose session is renewed while the page is open.

    Args:
        session: what ``embedding.create_session`` has returned; or the address of a view that
            answers a POST with one.
        title: what a screen reader says of the iframe; "": "Form" or "Template builder".
        height: of the iframe, in pixels, until it asks for another; its width is that of the page.
        close_url: where the page goes when somebody closes the builder; "": it stays.

    Returns:
        The element; of the first one in a page with its script.

    Raises:
        TemplateSyntaxError: the session is neither: the context has no variable of that name, say.
    """
    is_address = isinstance(session, (str, Promise)) and bool(str(session).strip())
    if not (isinstance(session, Session) or is_address):
        # To embed an empty address would be to have the page post to itself.
        raise template.TemplateSyntaxError(
            f"'craftkit_embed' got {session!r:.80}, a {type(session).__name__}: pass what "
            "create_session() has returned, or the address of a view that answers a POST with one."
        )
    page: Any = context.render_context.dicts[0]
    scripted = page.get("craftkit_embed", False)
    page["craftkit_embed"] = True
    csrf = str(context.get("csrf_token", ""))
    shown = {
        "title": title or gettext("Form"),
        "height": height,
        "close_url": close_url,
        "csrf": _Hidden("" if csrf == "NOTPROVIDED" else csrf),
        "script": not scripted,
        "nonce": None if scripted else context.get("csp_nonce"),
    }
    if isinstance(session, Session):
        shown["session"] = _Hidden(json.dumps(session.for_browser))
        if not title and session.row.mode != "fill":
            shown["title"] = gettext("Template builder")
    else:
        shown["open"] = session
    return SafeString(get_template("craftkit/embed.html").render(shown))


def _badge(context: Context, badge: Badge, token: Callable[[], str]) -> SafeString:
    # The lowest layer is the page's own: each include has its layer over it.
    page: Any = context.render_context.dicts[0]
    scripted = page.get("craftkit_badges", False)
    try:
        url = "" if badge["final"] else reverse("craftkit:statuses")
    except NoReverseMatch:  # which a check under --deploy tells
        url = ""
    if url:
        page["craftkit_badges"] = True
        # Of a policy that lets scripts run by a nonce, as of Django 6's context processor.
        nonce = None if scripted else context.get("csp_nonce")
        badge |= {"token": _Hidden(token()), "url": url, "script": not scripted, "nonce": nonce}
    return SafeString(get_template("craftkit/badge.html").render(badge))
