"""The buttons of links, and those of a document that share it."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from django_craftkit import clock
from django_craftkit.admin.common import results
from django_craftkit.admin.common.base import MirrorAdmin, Said
from django_craftkit.admin.common.buttons import (
    Refused,
    action,
    as_chosen,
    button,
    chosen,
    pk_of,
    timeout,
)
from django_craftkit.admin.common.format import exact, is_link, recipient_of
from django_craftkit.admin.common.truncate import LONG
from django_craftkit.models import NothingToRender, ProjectState, Render, RenderWithdrawn, Share
from django_craftkit.models.arguments import hash_key
from django_craftkit.models.problems import ErrorCode
from django_craftkit.permissions import user_of
from django_craftkit.words import inside

from .forms import EmailForm, ShareForm
from .page import share_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from .forms import SharingForm


def retry_permission(share: Share) -> str:
    """What it takes to send it once more is what it takes to send it."""
    return "email_render" if share.by_mail else "add_share"


class ShareButtons(MirrorAdmin[Share]):
    """The buttons of a link, and of many."""

    @button("sent", "email_render")
    def sent_view(self, request: HttpRequest, share: Share) -> HttpResponse:
        """Note that an e-mail was sent, as the user says."""
        if share.confirm_mailed(user=user_of(request)):
            self.log_change(request, share, _("Said that the e-mail was sent."))
            return self.tell(request, share, (messages.SUCCESS, _("Noted: it was sent.")))
        text = _("It was left as it is: it needs no decision.")
        return self.tell(request, share, (messages.WARNING, text))

    @button("retry", retry_permission, "GET", "POST")
    def retry_view(self, request: HttpRequest, share: Share) -> HttpResponse:
        """Ask first where nobody knows whether it was sent."""
        if request.method == "POST":
            withdrawn = _("Its document was withdrawn: there is no new link to it.")
            return self.send_again(request, share, share_result, withdrawn)
        if not share.is_unsettled:
            return self.tell(request, share, results.nothing_to_send())
        return self.page(
            request,
            "confirm.html",
            title=_("Send this e-mail again?"),
            original=share,
            url=request.path,
            rows=share_rows(self, request, [share]),
            number=1,
            verb=_("Send it again"),
            cancel=self.address("change", share.pk),
            kind="resend",
        )

    @button("/revoke", None)
    def revoke_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether links are to be revoked; revoke them once that is confirmed."""
        try:
            found = chosen(request, self.get_queryset(request))
        except Refused as error:
            if not self.allows(request, "revoke_share"):
                raise PermissionDenied from error
            raise
        shares = [share for share in found if self.allows(request, "revoke_share", share)]
        if not shares and not self.allows(request, "revoke_share"):
            raise PermissionDenied
        left = ngettext_lazy(
            "%d link was left as it is: you may not revoke it.",
            "%d links were left as they are: you may not revoke them.",
        )
        self.tell_count(request, left, len(found) - len(shares))
        filters = request.POST.get("filters", "")
        if "confirm" not in request.POST:
            return self._confirm(request, shares, filters)
        self._revoke(request, shares)
        url = ""
        if len(shares) == 1 and self.allows(request, "view_render", shares[0].render):
            url = self.address("change", shares[0].render_id, model="render")
        return HttpResponseRedirect(url) if url else self.back(request, filters=filters)

    @action("revoke_share", gettext_lazy("Revoke the selected links"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Share]) -> HttpResponse | None:
        shares = self.few_of(request, queryset)
        return None if shares is None else self._confirm(request, shares, request.GET.urlencode())

    def _confirm(self, request: HttpRequest, shares: list[Share], filters: str) -> HttpResponse:
        alive = [share for share in shares if share.is_revocable]
        if not alive:
            text = _("Nothing was done: all of them were revoked before, or never made.")
            self.message_user(request, text, messages.WARNING)
            return self.back(request, filters=filters)
        many = ngettext("Revoke %d link?", "Revoke %d links?", len(alive)) % len(alive)
        return self.page(
            request,
            "confirm.html",
            title=_("Revoke this link?") if len(alive) == 1 else many,
            original=None,
            url=self.address("revoke"),
            ids=as_chosen(shares),
            filters=filters,
            rows=share_rows(self, request, alive),
            number=len(alive),
            verb=_("Revoke"),
            cancel=self.address("changelist"),
            kind="revoke",
        )

    def _revoke(self, request: HttpRequest, shares: list[Share]) -> None:
        """Request all of them, then wait for as many as there is time for."""
        pks = [share.pk for share in shares]
        revoked = Share.objects.revoke_chosen(pks, user=user_of(request))
        self.log_all(request, revoked, _("Asked for its revocation."))
        until = time.monotonic() + timeout()
        for share in revoked:
            if (rest := until - time.monotonic()) <= 0:
                break
            # It is requested by now: this waits for what comes of it.
            share.revoke(wait=rest)
            if share.status != Share.Status.REVOKED:
                break
        for level, text in revocation_results(revoked):
            self.message_user(request, text, level)
        left = ngettext_lazy(
            "%d link was left as it is: it was revoked before, or never made.",
            "%d links were left as they are: they were revoked before, or never made.",
        )
        self.tell_count(request, left, len(shares) - len(revoked))


#: Days after which a link ends that the list of documents makes, and what its key begins with.
DAYS = 7
OF_LIST = "desk:list:"
#: Seconds within which the same, requested by the same user, is the same one.
TWICE = 60.0
_WITHDRAWN = gettext_lazy("This document was withdrawn: there is no new link to it.")


class SharingButtons(MirrorAdmin[Render]):
    """The buttons of a document that share it."""

    _SHARE = Said(
        log=gettext_lazy("Asked for a link."),
        done=ngettext_lazy(
            "%d link is asked for; it appears in the list of links.",
            "%d links are asked for; they appear in the list of links.",
        ),
        left=ngettext_lazy(
            "%d document was left as it is: there is nothing to link to, or you asked for "
            "its link a moment ago.",
            "%d documents were left as they are: there is nothing to link to, or you asked "
            "for their links a moment ago.",
        ),
    )

    @button("share", "add_share", "GET", "POST")
    def share_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if (made := self._made(request, render)) is not None:
            title = _("The link is ready")
            until = inside(exact, made.expires_at) if made.expires_at else ""
            return self._form(request, render, None, "share", title=title, made=made, until=until)
        if not results.can_be_shared(render):
            return self.tell(request, render, results.refused(render, str(_WITHDRAWN)))
        form = ShareForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            to = form.cleaned_data["recipient_email"]
            do = partial(
                render.share,
                channel=Share.Channel.EMAIL if to else Share.Channel.LINK,
                recipient_email=to,
                key=form.key,
            )
            share = self._request(request, render, form, do, _("Asked for a link."))
            if share is not None:
                return self._shared(request, share)
        return self._form(request, render, form, "share", title=_("Make a link"))

    @button("email", "email_render", "GET", "POST")
    def email_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if not results.can_be_shared(render):
            return self.tell(request, render, results.refused(render, str(_WITHDRAWN)))
        given = request.POST if request.method == "POST" else None
        form = EmailForm(given, render=render, user=user_of(request))
        if form.is_valid():
            to, name = form.cleaned_data["to"], form.cleaned_data["recipient_name"]
            do = partial(render.email, to, recipient_name=name, key=form.mail_key)
            share = self._request(request, render, form, do, _("Asked for an e-mail."))
            if share is not None:
                result = results.sent_once() if form.is_repeat else share_result(share)
                return self.tell(request, render, result)
        return self._form(request, render, form, "email", title=_("Send by e-mail"))

    @action("add_share", gettext_lazy("Make a link to the selected documents, for 7 days"))
    def share(self, request: HttpRequest, queryset: QuerySet[Render]) -> None:
        do = partial(link_to, user=user_of(request))
        self.each(request, queryset.order_by("pk"), do, self._SHARE)

    def _request(
        self,
        request: HttpRequest,
        render: Render,
        form: SharingForm,
        do: Callable[..., Share],
        log: str,
    ) -> Share | None:
        """Return what ``do`` requested; ``None`` where it was refused, which the form then says."""
        known = Share.objects.writer().filter(key_hash=hash_key(form.key), render=render)
        is_new = not form.is_repeat and not known.exists()
        given = {"message": form.cleaned_data["message"], "expires_at": form.expires_at}
        try:
            share = do(**given, user=user_of(request), wait=timeout())
        except RenderWithdrawn:
            form.add_error(None, _WITHDRAWN)
        except ValidationError as error:
            form.add_error(None, error)
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            if is_new:
                self.log_all(request, [share.render], log)
                # For whom it is, is the link's to tell.
                self.log_all(request, [share], _("Asked for, for %s.") % recipient_of(share))
            return share
        return None

    def _shared(self, request: HttpRequest, share: Share) -> HttpResponse:
        level, text = share_result(share)
        may_see = self.allows(request, "see_share_link", share)
        if share.is_open and not may_see:
            text = _("The link is ready. Somebody who may see links has to hand it over.")
        answer = self.tell(request, share.render, (level, text))
        if share.is_open and may_see and is_link(share.url):
            # An address of its own, so that reloading the page requests nothing.
            return HttpResponseRedirect(f"{request.path}?made={share.pk}")
        return answer

    def _made(self, request: HttpRequest, render: Render) -> Share | None:
        pk = pk_of(request.GET.get("made", ""))
        if request.method != "GET" or pk is None:
            return None
        shares = Share.objects.writer().filter(render=render, pk=pk)
        share: Share | None = shares.defer(*LONG[Share]).first()
        is_shown = share is not None and share.is_open and is_link(share.url)
        return share if is_shown and self.allows(request, "see_share_link", share) else None

    def _form(
        self,
        request: HttpRequest,
        render: Render,
        form: SharingForm | None,
        kind: str,
        **context: object,
    ) -> HttpResponse:
        capability = ProjectState.Capability.EMAIL if kind == "email" else ""
        return self.page(
            request,
            "hand.html",
            original=render,
            form=form,
            kind=kind,
            waits=results.why_waiting(render.project, capability),
            **context,
        )


def link_to(render: Render, user: AbstractBaseUser) -> Share | None:
    """Request a link as the list of documents does; ``None`` where there is none to request."""
    if not results.can_be_shared(render):
        return None
    mine = Share.objects.writer().filter(render=render, requested_by=user, key__startswith=OF_LIST)
    latest = mine.order_by("-pk").first()
    if latest is not None and latest.is_revocable:
        seconds = (clock.now() - latest.requested_at).total_seconds()
        if 0 <= seconds < TWICE:
            return None
    # Named after the one before: whoever presses twice at once requests the same one twice.
    key = f"{OF_LIST}{user.pk}:{0 if latest is None else latest.pk}"
    expires_at = clock.now() + timedelta(days=DAYS)
    try:
        return render.share(key=key, expires_at=expires_at, user=user)
    except (NothingToRender, RenderWithdrawn):
        return None


def share_result(share: Share) -> results.Message:
    """Tell what became of a link or an e-mail that was requested."""
    if share.is_unsettled:
        return messages.WARNING, _(
            "Nobody knows whether the e-mail was sent. Somebody has to decide: see its page."
        )
    if share.revoke_requested_at is not None and share.status not in Share.FINAL:
        return messages.WARNING, _("It is being revoked.")
    if share.status == Share.Status.ACTIVE and share.by_mail:
        return messages.SUCCESS, _("The e-mail to %s is sent.") % share.recipient_email
    if share.status == Share.Status.ACTIVE:
        return messages.SUCCESS, _("The link is ready.")
    if share.status == Share.Status.REJECTED:
        text = _("The e-mail was refused: %s") if share.by_mail else _("The link was refused: %s")
        return messages.ERROR, text % results.reason(share)
    if share.status == Share.Status.REVOKED:
        return messages.WARNING, _("It was revoked.")
    if share.status == Share.Status.UNKNOWN and share.by_mail:
        return messages.WARNING, _(
            "Craftkit gave no clear answer. Whether the e-mail was sent is being settled; "
            "it is not sent twice."
        )
    if share.status == Share.Status.UNKNOWN:
        return messages.WARNING, _(
            "Craftkit gave no clear answer. Whether the link was made is being settled."
        )
    if share.render.error_code == ErrorCode.NOTHING_TO_RENDER:
        return messages.WARNING, results.nothing()
    what = _("The e-mail is asked for.") if share.by_mail else _("The link is asked for.")
    then = "" if share.render.is_final else _("It follows as soon as the document is ready.")
    capability = ProjectState.Capability.EMAIL if share.by_mail else ""
    return results.waits(what, share.project, capability, then)


def revocation_results(shares: Sequence[Share]) -> list[results.Message]:
    """Tell which links lead nowhere any more, and which will soon."""
    # As they are by now: a worker may have been faster with some of them.
    pks = [share.pk for share in shares]
    rows = list(Share.objects.writer().filter(pk__in=pks).defer(*LONG[Share]))
    done = sum(share.status == Share.Status.REVOKED for share in rows)
    never = sum(share.status == Share.Status.REJECTED for share in rows)
    waiting = [share for share in rows if share.status not in Share.FINAL]
    revoked = ngettext_lazy("%d link is revoked.", "%d links are revoked.")
    never_made = ngettext_lazy("%d link was never made.", "%d links were never made.")
    text = ngettext_lazy(
        "%d link is offered nowhere from now on, and will be revoked as soon as Craftkit answers.",
        "%d links are offered nowhere from now on, and will be revoked as soon as Craftkit "
        "answers.",
    )
    told = results.counted(messages.SUCCESS, revoked, done)
    told += results.counted(messages.INFO, never_made, never)
    return told + results.still_waiting(text, waiting)
