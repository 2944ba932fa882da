"""The pages of what goes on behind documents: jobs, changes, webhooks and projects.

Jobs and changes name their target, the row they are about, by kind and number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_craftkit.models import Batch, Change, Job, ProjectState, Render, WebhookDelivery
from django_craftkit.visibility import visible

from .base import MirrorAdmin
from .buttons import permission_of
from .format import linked
from .lists import Arm, M, ValueFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.functional import _StrOrPromise

    from .lists import Choices

    class Target(Protocol):
        """A job or a change; ``prepare_rows`` gives it the key of its target."""

        kind: str
        object_id: int
        target_key: str | None


def model_of(row: Target) -> type[Model]:
    """Return what a row's number is the primary key of."""
    try:
        kind = Job.Kind.announcing(row.kind) if isinstance(row, Change) else Job.Kind.of(row.kind)
    except ValueError:
        return Render  # another version's
    return kind.model


class WorkAdmin(MirrorAdmin[M]):
    """Rows with one action, which ``row_action`` makes a button on the page of each as well."""

    fields: ClassVar[tuple[str, ...]] = ()
    actions: tuple[str, ...] = ()
    #: What the button is called.
    button: _StrOrPromise = ""

    def is_offered(self, row: M) -> bool:
        """Whether the button on the page of a row makes sense."""
        return True

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> tuple[str, ...]:
        permission = permission_of(self, self.actions[0]) or ""
        may = obj is not None and self.is_offered(obj) and self.allows(request, permission)
        return tuple(name for name in self.fields if name != "shown_button" or may)

    @admin.display(description=_("what can be done"))
    def shown_button(self, row: M) -> str:
        # It sends the form of the page, and its token with it, elsewhere.
        button = '<button type="submit" class="button" formaction="{}">{}</button>'
        return format_html(button, self.address(self.actions[0], row.pk), self.button)


class TargetAdmin(WorkAdmin[M]):
    """Rows that name their target by kind and number."""

    kinds: Mapping[str, _StrOrPromise] = {}
    search_help_text = _("The whole key of a document, or a number.")

    def search_arms(self, request: HttpRequest, queryset: QuerySet[M], text: str) -> Iterable[Arm]:
        if text.isascii() and text.isdigit() and len(text) < 19:
            # The number alone is no index's beginning.
            number = Q(kind__in=list(self.kinds), object_id=int(text))
            yield Arm(number, number)
        if not self.allows(request, "view_render"):
            return  # which key a document has, is the document's to tell
        named = visible(Render.objects.filter(key=text), request)
        renders = list(named.values_list("pk", flat=True)[:50])
        if renders:
            model: Any = self.model
            kinds = [kind for kind in self.kinds if model_of(model(kind=kind)) is Render]
            target = Q(kind__in=kinds, object_id__in=renders)
            yield Arm(target, target)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("object_id",)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        if not self.allows(request, "view_render"):
            changelist.search_help_text = str(_("A number."))
        return changelist

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        pks: dict[type[Model], set[int]] = {}
        for row in rows:
            pks.setdefault(model_of(row), set()).add(row.object_id)
        columns = {
            Render: "key",
            ProjectState: "project",
            Batch: "name",
            WebhookDelivery: "event",
        }
        keys: dict[type[Model], dict[int, str]] = {}
        for model, ids in pks.items():
            if self.allows(request, f"view_{model._meta.model_name}"):
                targets = visible(model._default_manager.filter(pk__in=ids), request)
                keys[model] = dict(targets.values_list("pk", columns.get(model, "render__key")))
        for row in rows:
            row.target_key = keys.get(model_of(row), {}).get(row.object_id)

    @admin.display(description=_("about"))
    def target(self, row: Target) -> str:
        model = model_of(row)
        label = f"{model._meta.verbose_name} {row.object_id}"
        if row.target_key is None:
            return label
        url = self.address("change", row.object_id, model=str(model._meta.model_name))
        return linked(url, row.target_key or label, title=label)

    @admin.display(description=_("kind"), empty_value="–")
    def shown_kind(self, row: Target) -> _StrOrPromise:
        return self.kinds.get(row.kind, row.kind)


class KindFilter(ValueFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(model_admin.kinds.items())
