"""What staff see and do on a booking's page: the protocol's status, its links, a form for one more.

The mail that the guest gets by itself is among the links: it can be taken back as well.

The page works without JavaScript. ``desk.js`` does the same by the HTTP API, without a page load.
"""

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from charter.craftkit import HANDOVER
from charter.models import Booking
from django_craftkit.downloads import has_permission, own_documents
from django_craftkit.models import NothingToRender, Render, RenderWithdrawn, Share

#: The links that the page shows at most, the newest ones.
MOST = 50
#: A link in one word: its status, or what is more to the point.
LINK_STATES = {
    **dict(Share.Status.choices),
    "revoking": _("being revoked"),
    "expired": _("expired"),
}
#: Links that may still be revoked.
REVOCABLE = ("pending", "unknown", "active")
#: What desk.js says.
WORDS = {
    "document": {"": _("not there yet"), **dict(Render.Status.choices)},
    "link": LINK_STATES,
    "revocable": REVOCABLE,
    "mailed": _("by e-mail"),
    "ready": _("The protocol is ready."),
    "making": _("The link is being made."),
    "made": _("The link is open."),
    "revoking": _("The link is being revoked."),
    "revoked": _("The link is revoked."),
    "refused": _("You may not do this, or are not logged in any more. Reload the page."),
    "gone": _("It is not there any more. Reload the page."),
    "unreachable": _("The site gave no answer. Try again: nothing is done twice."),
    "lost": _("The site gives no answer. This page goes on asking."),
}


class LinkForm(forms.Form):
    """A link to be made. Sent twice, it makes one; changed and sent again, another one."""

    recipient_email = forms.EmailField(
        label=_("For whom (e-mail address, optional)"),
        help_text=_("Noted beside the link, which the guest is not shown then. Nothing is mailed."),
        max_length=254,
        required=False,
        widget=forms.EmailInput(
            attrs={"aria-describedby": "id_recipient_email_helptext id_recipient_email_error"}
        ),
    )
    message = forms.CharField(
        label=_("Message (optional)"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "aria-describedby": "id_message_error"}),
    )
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def share(self, render: Render | None, user: AbstractBaseUser) -> Share | None:
        """Request the link; ``None`` where there is none to be had, which the form then says."""
        if not can_be_shared(render):
            self.add_error(None, _("There is no protocol to share."))
            return None
        values = dict(self.cleaned_data)
        text = "\n".join([str(user.pk), values["recipient_email"], values["message"]])
        key = f"desk:{uuid.uuid5(values.pop('key'), text)}"
        try:
            return render.share(**values, key=key, user=user)
        except (NothingToRender, RenderWithdrawn):
            self.add_error(None, _("There is no protocol to share."))
            return None


def may_download(request: HttpRequest, render: Render) -> bool:
    """The rule of ``CRAFTKIT["DOWNLOAD_PERMISSION"]``."""
    return has_permission(request, render) or own_documents(request, render)


def newest_protocol(booking: Booking) -> Render | None:
    found: Render | None = Render.objects.for_object(booking).filter(template=HANDOVER).first()
    return found


def mail_of(booking: Booking) -> Share | None:
    """Return the mail that the guest has got of the newest protocol, or is to get."""
    protocols = Render.objects.for_object(booking).filter(template=HANDOVER)[:1]
    mails = Share.objects.filter(by_mail=True, recipient_email=booking.guest.email)
    found: Share | None = mails.filter(render=protocols).order_by("-pk").first()
    return found


def can_be_shared(render: Render | None) -> bool:
    return render is not None and render.status == "succeeded" and render.withdrawn_at is None


def state_of(link: Share) -> str:
    """Return which of ``LINK_STATES`` a link is in."""
    if link.status in ("revoked", "rejected"):
        return link.status
    if link.revoke_requested_at is not None:
        return "revoking"
    return "expired" if link.status == "active" and link.is_expired else link.status


def links_of(render: Render | None) -> Iterator[dict[str, Any]]:
    for link in render.shares.order_by("-requested_at", "-pk")[:MOST] if render else ():
        state = state_of(link)
        yield {
            "link": link,
            "state": state,
            "label": LINK_STATES[state],
            "is_revocable": state in REVOCABLE,
        }


def desk_of(booking: Booking, user: Any, form: LinkForm | None = None) -> dict[str, Any] | None:
    """Return what the page shows to staff; ``None`` for whoever may not see documents."""
    if not user.has_perm("craftkit.view_render"):
        return None
    render = newest_protocol(booking)
    about = {
        "source_type": booking._meta.label_lower,
        "source_id": booking.pk,
        "template": HANDOVER,
        "page_size": 1,
    }
    return {
        "render": render,
        "state": render.status if render else "",
        "label": render.get_status_display() if render else WORDS["document"][""],
        "can_be_shared": can_be_shared(render),
        "links": list(links_of(render)) if user.has_perm("craftkit.view_share") else [],
        "form": form or LinkForm(),
        "words": WORDS,
        "documents_url": f"{reverse('craftkit-api:render-list')}?{urlencode(about)}",
        "links_url": reverse("craftkit-api:share-list"),
        "most": MOST,
    }
