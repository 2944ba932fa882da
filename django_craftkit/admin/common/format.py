"""How pages write moments, names, links and badges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from django_craftkit import clock
from django_craftkit.words import ago, inside

from .truncate import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.utils.functional import _StrOrPromise
    from django.utils.safestring import SafeString

    from django_craftkit.models import Share, SignatureRecipient


#: What a template shows.
Context = dict[str, object]

#: Characters of a key that a list shows.
LONGEST = 48


def badge(label: _StrOrPromise, tone: str) -> SafeString:
    """Return a word on a colour: good, bad, warn, busy or quiet."""
    return format_html('<span class="craftkit-badge craftkit-badge--{}">{}</span>', tone, label)


def exact(moment: datetime) -> str:
    """Return a moment to the second, in the reader's time zone and order of day and month."""
    here = clock.local(moment)
    return f"{formats.date_format(here, 'DATE_FORMAT')}, {formats.date_format(here, 'H:i:s')}"


def on_day(moment: datetime) -> SafeString:
    """Return the day of a moment, the exact moment as its title."""
    return _time(moment, formats.date_format(clock.local(moment), "DATE_FORMAT"))


def age(moment: datetime) -> SafeString:
    """Return how long ago something was, the exact moment as its title."""
    return _time(moment, ago(moment, clock.now()))


def _time(moment: datetime, shown: str) -> SafeString:
    page = '<time datetime="{}" title="{}">{}</time>'
    return format_html(page, moment.isoformat(), exact(moment), shown)


def age_by(moment: datetime, user: AbstractBaseUser | None) -> SafeString:
    """Return how long ago something was requested, and by which user, if any."""
    who = name_of(user)
    if not who:
        return age(moment)
    return format_html(_("{when} by {who}"), when=inside(age, moment), who=who)


def linked(url: str, label: str, *, title: str = "") -> str:
    """Return a label that leads to a page; the label alone where this site has no such page."""
    if not url:
        return label
    if title:
        return format_html('<a href="{}" title="{}">{}</a>', url, title, label)
    return format_html('<a href="{}">{}</a>', url, label)


def brief(text: str) -> str:
    """Return the beginning of a long text, the whole of it as its title."""
    if len(text) <= LONGEST:
        return text
    return format_html('<span title="{}">{}…</span>', text, text[: LONGEST - 1])


def name_of(user: AbstractBaseUser | None) -> str:
    """Return what a user is called here; "" for nobody."""
    if user is None:
        return ""
    # AbstractBaseUser has a user name, and no other.
    full_name = getattr(user, "get_full_name", str)
    return str(full_name() or user.get_username())


def is_link(url: str) -> bool:
    """Whether a link may lead somewhere; Craftkit's have some fifty characters."""
    return url.startswith(("https://", "http://")) and len(url) <= LONGEST_LINE


def outward(url: str, label: _StrOrPromise | None = None) -> str:
    """Return a link that leads away, and tells nobody where from."""
    if not is_link(url):
        return "–"
    return format_html(
        '<a href="{}" rel="noreferrer noopener" target="_blank">{}</a>', url, label or _("Open")
    )


def recipient_of(share: Share) -> str:
    """Return for whom a link is."""
    if share.erased_at is not None:
        return "–"
    if share.recipient_name and share.recipient_email:
        return f"{share.recipient_name} <{share.recipient_email}>"
    return share.recipient_email or str(_("anybody"))


def signer_name(one: SignatureRecipient) -> str:
    """Return what a person is called; whom Craftkit has added may have no name."""
    return one.full_name or one.email or "–"


def side_by_side(badges: Iterable[tuple[_StrOrPromise, str]]) -> SafeString:
    """Return labels and their tones as badges."""
    found = format_html_join(" ", "{}", ((badge(label, tone),) for label, tone in badges))
    return format_html('<span class="craftkit-badges">{}</span>', found)
