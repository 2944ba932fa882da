"""The buttons of a document: open it, retry it, refresh it, withdraw it.

Those that send it to somebody are among the buttons of shares and of signatures.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from django_craftkit.admin.common import results
from django_craftkit.admin.common.base import MirrorAdmin, Said
from django_craftkit.admin.common.buttons import SECONDS, action, as_chosen, button, chosen, timeout
from django_craftkit.admin.shares.buttons import revocation_results
from django_craftkit.admin.shares.page import revocable, share_rows
from django_craftkit.admin.signatures.buttons import cancellation_results
from django_craftkit.admin.signatures.page import cancellable, request_rows
from django_craftkit.files import FileUnavailable, begins, streamed
from django_craftkit.models import NothingToRender, Render, RenderFailed
from django_craftkit.models.problems import ErrorCode
from django_craftkit.permissions import user_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


def _refuse_gone(render: Render) -> None:
    if render.is_gone:
        raise NothingToRender(render)


class RenderButtons(MirrorAdmin[Render]):
    """The buttons of a document, and of many."""

    _RETRY = Said(
        log=gettext_lazy("Asked for another attempt."),
        done=ngettext_lazy("%d document is tried again.", "%d documents are tried again."),
        left=ngettext_lazy(
            "%d document was left as it is: it is ready or still under way.",
            "%d documents were left as they are: they are ready or still under way.",
        ),
    )
    _WITHDRAW = Said(
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

    @button("pdf", "download_render", "GET")
    def pdf_view(self, request: HttpRequest, render: Render) -> HttpResponseBase:
        if render.erased_at is not None:
            return self.tell(request, render, results.erased())
        try:
            if not render.is_final:
                raise RenderFailed(render)
            fetch = partial(render.open_file, timeout=SECONDS)
            response = streamed(request, fetch, render.key, render)
        except RenderFailed:
            return self.tell(request, render, results.no_pdf(render))
        except FileUnavailable as error:
            text = _("Craftkit did not hand out the PDF. %s") % error.why
            return self.tell(request, render, (messages.ERROR, text.strip()))
        # A browser's viewer may read a long file in many parts.
        if begins(response):
            render.record("viewed", {"source": "admin"})
            self.log_change(request, render, _("Opened the PDF."))
        return response

    @button("retry", "retry_render")
    def retry_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if render.erased_at is not None:
            return self.tell(request, render, results.erased())
        if render.adopted_at is not None:
            text = _("It was made elsewhere: its data are not known here.")
            return self.tell(request, render, (messages.ERROR, text))
        if render.retry(user=user_of(request), wait=timeout()):
            self.log_change(request, render, str(self._RETRY.log))
            return self.tell(request, render, retry_result(render))
        _refuse_gone(render)
        text = _("It was left as it is: it is ready or still under way.")
        return self.tell(request, render, (messages.WARNING, text))

    @action("retry_render", gettext_lazy("Retry the selected documents"))
    def retry(self, request: HttpRequest, queryset: QuerySet[Render]) -> None:
        do = partial(Render.objects.retry_all, user=user_of(request))
        self.all_of(request, queryset.order_by("pk"), do, self._RETRY)

    @button("refresh", "view_render")
    def refresh_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        is_fresh = render.refresh(wait=timeout())
        _refuse_gone(render)
        self.log_change(request, render, _("Asked Craftkit for news."))
        return self.tell(request, render, refresh_result(render, is_fresh=is_fresh))

    @button("withdraw", "withdraw_render", "GET", "POST")
    def withdraw_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if render.withdrawn_at is not None:
            return self.tell(request, render, (messages.WARNING, _("It was withdrawn before.")))
        if request.method != "POST":
            return self._confirm_withdrawal(request, [render])
        shares, requests = revocable([render]), cancellable([render])
        if render.withdraw(user=user_of(request), wait=timeout()):
            self.log_change(request, render, str(self._WITHDRAW.log))
            text = _("The document is withdrawn: no new link to it can be made.")
            told = revocation_results(shares) + cancellation_results(requests)
            return self.tell(request, render, (messages.SUCCESS, text), *told)
        _refuse_gone(render)
        return self.back(request, render)

    @action("withdraw_render", gettext_lazy("Withdraw the selected documents"))
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Render]) -> HttpResponse | None:
        """Ask whether many documents are to be withdrawn."""
        renders = self.few_of(request, queryset)
        filters = request.GET.urlencode()
        return None if renders is None else self._confirm_withdrawal(request, renders, filters)

    @button("/withdraw", "withdraw_render", name="withdraw_selected")
    def withdraw_selected_view(self, request: HttpRequest) -> HttpResponse:
        renders = chosen(request, self.get_queryset(request))
        withdraw = partial(Render.objects.withdraw_all, user=user_of(request))
        self.all_of(request, renders, lambda pks: withdraw(pks).pks, self._WITHDRAW)
        return self.back(request, filters=request.POST.get("filters", ""))

    def _confirm_withdrawal(
        self, request: HttpRequest, renders: list[Render], filters: str | None = None
    ) -> HttpResponse:
        shares, requests = revocable(renders), cancellable(renders)
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
            rows=share_rows(self, request, shares),
            number=len(shares),
            signature_requests=request_rows(self, request, requests),
            signature_requests_number=len(requests),
            verb=_("Withdraw"),
            cancel=self.address("change", one.pk) if one else self.address("changelist"),
            kind="withdraw",
        )


def retry_result(render: Render) -> results.Message:
    """Tell what became of another attempt at a document."""
    if render.status == Render.Status.SUCCEEDED:
        return messages.SUCCESS, _("The document is ready.")
    if render.status in (Render.Status.FAILED, Render.Status.REJECTED):
        text = _("The document was tried again and is %(status)s: %(reason)s")
        said = {"status": render.get_status_display(), "reason": results.reason(render)}
        return messages.ERROR, text % said
    if render.error_code == ErrorCode.NOTHING_TO_RENDER:
        return messages.WARNING, results.nothing()
    if render.status == Render.Status.CANCELLED:
        return messages.WARNING, _("The document was cancelled.")
    if render.status == Render.Status.PENDING:
        return results.waits(_("Another attempt is asked for."), render.project)
    return messages.INFO, _("Craftkit has accepted the document and is making it.")


def refresh_result(render: Render, *, is_fresh: bool) -> results.Message:
    """Tell whether a page shows what Craftkit says now."""
    if render.error_code == ErrorCode.NOTHING_TO_RENDER:
        return messages.WARNING, results.nothing()
    if is_fresh:
        return messages.SUCCESS, _("This is what Craftkit says now.")
    return results.waits(_("Craftkit will be asked."), render.project)
