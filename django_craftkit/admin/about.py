"""Rows that name what they are about by kind and number: jobs and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
)
from django_craftkit.models.engagement import KIND as ENGAGEMENT
from django_craftkit.models.render import KIND as RENDER
from django_craftkit.models.share import KIND as SHARE
from django_craftkit.models.share import MAIL
from django_craftkit.models.signature import ARCHIVE, POLL, SEND
from django_craftkit.models.signature import KIND as SIGNATURE
from django_craftkit.models.work import PROJECT

from .base import MirrorAdmin, linked
from .lists import Arm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

ANNOUNCE = "announce "
ARCHIVE_PDF = "archive render"
#: What stands in a change: whose it is, and what it is called.
CHANGES = {
    RENDER: _("document"),
    SHARE: _("link"),
    SIGNATURE: _("signature request"),
    ENGAGEMENT: _("engagement event"),
    PROJECT: _("project"),
}
#: What is done, by the kind of the job.
JOBS = {
    RENDER: _("make the document"),
    SHARE: _("make or revoke the link"),
    MAIL: _("send the e-mail"),
    ENGAGEMENT: _("ask who opened it"),
    ARCHIVE_PDF: _("keep the PDF"),
    SEND: _("send it to be signed"),
    SIGNATURE: _("ask who has signed, or cancel it"),
    POLL: _("ask who has signed what is out"),
    ARCHIVE: _("keep what was signed"),
    f"{ANNOUNCE}{RENDER}": _("tell this site of the document"),
    f"{ANNOUNCE}{SHARE}": _("tell this site of the link"),
    f"{ANNOUNCE}{SIGNATURE}": _("tell this site of the signature request"),
    f"{ANNOUNCE}{ENGAGEMENT}": _("tell this site of the event"),
    f"{ANNOUNCE}{PROJECT}": _("tell this site of the project"),
}


def model_of(row: Job | Change) -> type[Any]:
    """Return what a row's number is the primary key of."""
    kind = row.kind.removeprefix(ANNOUNCE)
    if kind in (SHARE, MAIL):
        return Share
    if kind in (SIGNATURE, SEND, ARCHIVE):
        return SignatureRequest
    if kind in (POLL, PROJECT):
        return ProjectState
    # The events of a document are asked for by document, and told of one by one.
    told = isinstance(row, Change) or row.kind != kind
    return EngagementEvent if kind == ENGAGEMENT and told else Render


class AboutAdmin(MirrorAdmin):
    """Rows that name what they are about by kind and number."""

    kinds: dict[str, Any] = {}
    search_help_text = _("The whole key of a document, or a number.")

    def search_arms(
        self, request: HttpRequest, queryset: QuerySet[Any], text: str
    ) -> Iterable[Arm]:
        if text.isascii() and text.isdigit() and len(text) < 19:
            # The number alone is no index's beginning.
            number = Q(kind__in=list(self.kinds), object_id=int(text))
            yield Arm(number, number)
        if not self._sees_keys(request):
            return  # which key a document has, is the document's to tell
        renders = list(Render.objects.filter(key=text).values_list("pk", flat=True)[:50])
        if renders:
            kinds = [kind for kind in self.kinds if model_of(self.model(kind=kind)) is Render]
            about = Q(kind__in=kinds, object_id__in=renders)
            yield Arm(about, about)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("object_id",)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        if not self._sees_keys(request):
            changelist.search_help_text = str(_("A number."))
        return changelist

    def _sees_keys(self, request: HttpRequest) -> bool:
        return self.allows(request, "view_render")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        pks: dict[type[Any], set[int]] = {}
        for row in rows:
            pks.setdefault(model_of(row), set()).add(row.object_id)
        keys = {Render: "key", ProjectState: "project"}
        named = {
            model: dict(
                model._default_manager.filter(pk__in=ids).values_list(
                    "pk", keys.get(model, "render__key")
                )
            )
            for model, ids in pks.items()
            if self.allows(request, f"view_{model._meta.model_name}")
        }
        for row in rows:
            row.about_key = named.get(model_of(row), {}).get(row.object_id)

    @admin.display(description=_("about"))
    def about(self, row: Any) -> str | SafeString:
        model = model_of(row)
        label = f"{model._meta.verbose_name} {row.object_id}"
        if row.about_key is None:
            return label
        url = self.address("change", row.object_id, model=str(model._meta.model_name))
        shown: str | SafeString = linked(url, row.about_key, title=label)
        return shown

    @admin.display(description=_("kind"), empty_value="–")
    def shown_kind(self, row: Any) -> Any:
        return self.kinds.get(row.kind, row.kind)


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(model_admin.kinds.items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset
