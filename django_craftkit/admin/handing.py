"""What staff do with one document: open it, hand it out, try it again, take it back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from django_craftkit import clock
from django_craftkit.database import database
from django_craftkit.files import streamed
from django_craftkit.models import (
    NothingToRender,
    ProjectState,
    Render,
    RenderFailed,
    RenderWithdrawn,
    Share,
    SignatureRequest,
)
from django_craftkit.models.arguments import hash_key
from django_craftkit.words import inside

from . import outcomes
from .base import MirrorAdmin, exact, is_link
from .buttons import (
    MOST,
    SECONDS,
    Refused,
    as_chosen,
    asked,
    button,
    chosen,
    patience,
    pk_of,
    too_many,
)
from .forms import EmailForm, ShareForm
from .people import names, progress, with_people
from .states import share_badges, signature_badges, whom
from .texts import LONG, LONGEST_NAME, long_of, start

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from .forms import HandForm

#: Links that a confirmation names; of the others it says how many there are.
LISTED = 200
#: Days after which a link ends that the list of documents makes, and what its key begins with.
DAYS = 7
OF_LIST = "desk:list:"
#: Seconds within which the same of the same person is the same one.
TWICE = 60.0


def _refuse_gone(render: Render) -> None:
    if render.is_gone:
        raise NothingToRender(render)


def can_be_handed_out(render: Render) -> bool:
    """Whether a link to it makes sense: it is there, or on its way."""
    return render.withdrawn_at is None and not render.is_retriable


class Handing(MirrorAdmin):
    """The buttons of a document."""

    @button("pdf", "download_render", "GET")
    def pdf_view(self, request: HttpRequest, render: Render) -> Any:
        try:
            if not render.is_final:
                raise RenderFailed(render)
            response, why = streamed(lambda: render.open(timeout=SECONDS), render.key, render)
        except RenderFailed:
            text = _("There is no PDF: the document is %s.") % render.get_status_display()
            self.message_user(request, text, messages.ERROR)
            return self.back(request, render)
        if response is None:
            text = _("Craftkit did not hand out the PDF. %s") % why
            self.message_user(request, text.strip(), messages.ERROR)
            return self.back(request, render)
        render.record("viewed", {"source": "admin"})
        self.log_change(request, render, _("Opened the PDF."))
        return response

    @button("share", "add_share", "GET", "POST")
    def share_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if (made := self._made(request, render)) is not None:
            title = _("The link is ready")
            until = inside(exact, made.expires_at) if made.expires_at else ""
            return self._hand(request, render, None, "share", title=title, made=made, until=until)
        if not can_be_handed_out(render):
            return self._refuse(request, render)
        form = ShareForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            share = asked(form, lambda: self._share(request, render, form))
            if share is not None:
                return self._shared(request, share)
        return self._hand(request, render, form, "share", title=_("Make a link"))

    @button("email", "email_render", "GET", "POST")
    def email_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if not can_be_handed_out(render):
            return self._refuse(request, render)
        given = request.POST if request.method == "POST" else None
        form = EmailForm(given, render=render, person=self.person(request))
        if request.method == "POST" and form.is_valid():
            share = asked(form, lambda: self._email(request, render, form))
            if share is not None:
                level, text = outcomes.of_share(share)
                if form.is_double_click:
                    level = messages.INFO
                    text = _("It was asked for a moment ago and stays as it was: it is sent once.")
                self.message_user(request, text, level)
                return self.back(request, render)
        return self._hand(request, render, form, "email", title=_("Send by e-mail"))

    @button("retry", "retry_render")
    def retry_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if render.retry(user=self.person(request), wait=patience()):
            self.log_change(request, render, _("Asked for another attempt."))
            level, text = outcomes.of_retry(render)
        else:
            _refuse_gone(render)
            level = messages.WARNING
            text = _("It was left as it is: it is ready or still under way.")
        self.message_user(request, text, level)
        return self.back(request, render)

    @button("refresh", "view_render")
    def refresh_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        heard = render.refresh(wait=patience())
        _refuse_gone(render)
        self.log_change(request, render, _("Asked Craftkit for news."))
        level, text = outcomes.of_refresh(render, heard=heard)
        self.message_user(request, text, level)
        return self.back(request, render)

    @button("withdraw", "withdraw_render", "GET", "POST")
    def withdraw_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if render.withdrawn_at is not None:
            self.message_user(request, _("It was withdrawn before."), messages.WARNING)
            return self.back(request, render)
        if request.method != "POST":
            return self._confirm_withdrawal(request, [render])
        links = [share.pk for share in _alive([render])]
        envelopes = [row.pk for row in _to_be_signed([render])]
        if render.withdraw(user=self.person(request), wait=patience()):
            self.log_change(request, render, _("Withdrew the document."))
            shares = Share.objects.using(database()).filter(pk__in=links)
            requests = SignatureRequest.objects.using(database()).filter(pk__in=envelopes)
            for level, text in [
                *outcomes.of_withdrawal(render, shares),
                *outcomes.of_cancellations(requests),
            ]:
                self.message_user(request, text, level)
        _refuse_gone(render)
        return self.back(request, render)

    @button("/withdraw", "withdraw_render", name="withdraw_selected")
    def withdraw_selected_view(self, request: HttpRequest) -> HttpResponse:
        try:
            renders = chosen(request, self.get_queryset(request))
        except Refused as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.back(request)
        person = self.person(request)
        self.all_of(
            request,
            renders,
            lambda pks: Render.objects.withdraw_all(pks, user=person).pks,
            log=gettext_lazy("Withdrew the document."),
            done=ngettext_lazy(
                "%d document is withdrawn; its links are revoked and its signature requests "
                "cancelled as soon as Craftkit answers.",
                "%d documents are withdrawn; their links are revoked and their signature requests "
                "cancelled as soon as Craftkit answers.",
            ),
            left=ngettext_lazy(
                "%d document was withdrawn before.", "%d documents were withdrawn before."
            ),
        )
        return self.back(request, filters=request.POST.get("filters", ""))

    def confirm_many(self, request: HttpRequest, queryset: QuerySet[Render]) -> Any:
        """Ask whether many documents are to be withdrawn."""
        renders = list(queryset.order_by("pk")[: MOST + 1])
        if len(renders) > MOST:
            self.message_user(request, too_many(), messages.ERROR)
            return None
        return self._confirm_withdrawal(request, renders, filters=request.GET.urlencode())

    def _confirm_withdrawal(
        self, request: HttpRequest, renders: list[Render], filters: str | None = None
    ) -> HttpResponse:
        shares, requests = _alive(renders), _to_be_signed(renders)
        one = renders[0] if filters is None else None
        many = ngettext("Withdraw %d document?", "Withdraw %d documents?", len(renders))
        return self.page(
            request,
            "confirm.html",
            title=_("Withdraw this document?") if one else many % len(renders),
            original=one,
            url=self.address("withdraw", one.pk) if one else self.address("withdraw_selected"),
            ids="" if one else as_chosen(renders),
            filters=filters or "",
            rows=rows_of(self, request, shares),
            number=len(shares),
            envelopes=envelope_rows(self, request, requests),
            envelopes_number=len(requests),
            verb=_("Withdraw"),
            cancel=self.address("change", one.pk) if one else self.address("changelist"),
            kind="withdraw",
        )

    def _share(self, request: HttpRequest, render: Render, form: HandForm) -> Share:
        to = form.cleaned_data["recipient_email"]
        is_new = not _is_known(render, form.key)
        share = render.share(
            message=form.cleaned_data["message"],
            expires_at=form.expires_at,
            channel=Share.Channel.EMAIL if to else Share.Channel.LINK,
            recipient_email=to,
            key=form.key,
            user=self.person(request),
            wait=patience(),
        )
        if is_new:
            self._log_asked(request, share, _("Asked for a link."))
        return share

    def _email(self, request: HttpRequest, render: Render, form: EmailForm) -> Share:
        given = form.cleaned_data
        is_new = not form.is_double_click and not _is_known(render, form.key)
        share = render.email(
            given["to"],
            recipient_name=given["recipient_name"],
            message=given["message"],
            expires_at=form.expires_at,
            key=form.mail_key,
            user=self.person(request),
            wait=patience(),
        )
        if is_new:
            self._log_asked(request, share, _("Asked for an e-mail."))
        return share

    def _log_asked(self, request: HttpRequest, share: Share, text: str) -> None:
        self.log_change(request, share.render, text)
        # For whom it is, is the link's to tell.
        self.log_change(request, share, _("Asked for, for %s.") % whom(share))

    def _shared(self, request: HttpRequest, share: Share) -> HttpResponse:
        level, text = outcomes.of_share(share)
        may_see = self.allows(request, "see_share_link", share)
        if share.is_open and not may_see:
            text = _("The link is ready. Somebody who may see links has to hand it over.")
        self.message_user(request, text, level)
        if share.is_open and may_see and is_link(share.url):
            # An address of its own, so that reloading the page asks for nothing.
            return HttpResponseRedirect(f"{request.path}?made={share.pk}")
        return self.back(request, share.render)

    def _made(self, request: HttpRequest, render: Render) -> Share | None:
        pk = pk_of(request.GET.get("made", ""))
        if request.method != "GET" or pk is None:
            return None
        shares = Share.objects.using(database()).filter(render=render, pk=pk)
        share: Share | None = shares.defer(*LONG[Share]).first()
        if share is None or not share.is_open or not is_link(share.url):
            return None
        return share if self.allows(request, "see_share_link", share) else None

    def _refuse(self, request: HttpRequest, render: Render) -> HttpResponse:
        if render.withdrawn_at is not None:
            text = _("This document was withdrawn: there is no new link to it.")
        else:
            text = _("There is no PDF: the document is %s.") % render.get_status_display()
        self.message_user(request, text, messages.ERROR)
        return self.back(request, render)

    def _hand(
        self,
        request: HttpRequest,
        render: Render,
        form: Any,
        kind: str,
        **context: Any,
    ) -> HttpResponse:
        return self.page(
            request,
            "hand.html",
            original=render,
            form=form,
            kind=kind,
            back=self.address("change", render.pk),
            may_go_back=self.has_view_permission(request, render),
            waits=outcomes.why_waiting(
                render.project, ProjectState.Capability.EMAIL if kind == "email" else ""
            ),
            **context,
        )


def link_to(render: Render, person: Any) -> Share | None:
    """Ask for a link as the list of documents does; ``None`` where none is to be asked for."""
    if not can_be_handed_out(render):
        return None
    shares = Share.objects.using(database())
    mine = shares.filter(render=render, requested_by=person, key__startswith=OF_LIST)
    latest = mine.order_by("-pk").first()
    if latest is not None and latest.is_revocable:
        seconds = (clock.now() - latest.requested_at).total_seconds()
        if 0 <= seconds < TWICE:
            return None
    # Named after the one before: whoever presses twice at once asks twice for the same one.
    key = f"{OF_LIST}{person.pk}:{0 if latest is None else latest.pk}"
    expires_at = clock.now() + timedelta(days=DAYS)
    try:
        return render.share(key=key, expires_at=expires_at, user=person)
    except (NothingToRender, RenderWithdrawn):
        return None


def rows_of(
    site: MirrorAdmin, request: HttpRequest, shares: Sequence[Share]
) -> list[dict[str, Any]]:
    """Return what a confirmation lists of links, the first ones, if they may be seen."""
    if not all(site.allows(request, "view_share", share) for share in shares[:LISTED]):
        return []
    return [
        {
            "share": share,
            "document": start(share.render.key, LONGEST_NAME),
            "whom": start(whom(share), LONGEST_NAME),
            "badges": share_badges(share),
        }
        for share in shares[:LISTED]
    ]


def envelope_rows(
    site: MirrorAdmin, request: HttpRequest, requests: Sequence[SignatureRequest]
) -> list[dict[str, Any]]:
    """Return what a confirmation lists of signature requests, if they may be seen."""
    listed = requests[:LISTED]
    if not all(site.allows(request, "view_signaturerequest", row) for row in listed):
        return []
    return [
        {
            "document": start(row.render.key, LONGEST_NAME),
            "names": start(names(row.people), LONGEST_NAME),
            "badges": signature_badges(row),
            "progress": progress(row.people),
        }
        for row in with_people(listed)
    ]


def _alive(renders: Iterable[Render]) -> list[Share]:
    """Return the links that a withdrawal ends."""
    shares = Share.objects.using(database()).filter(render__in=[render.pk for render in renders])
    shares = shares.revocable().select_related("render").order_by("render", "pk")
    return list(shares.defer(*LONG[Share], *long_of(Render, "render")))


def _to_be_signed(renders: Iterable[Render]) -> list[SignatureRequest]:
    """Return the signature requests that a withdrawal ends."""
    pks = [render.pk for render in renders]
    rows = SignatureRequest.objects.using(database()).filter(render__in=pks)
    rows = rows.alive().filter(cancel_requested_at=None).select_related("render")
    left = (*LONG[SignatureRequest], *long_of(Render, "render"))
    return list(rows.order_by("render", "pk").defer(*left))


def _is_known(render: Render, key: str) -> bool:
    shares = Share.objects.using(database())
    return shares.filter(render=render, key_hash=hash_key(key)).exists()
