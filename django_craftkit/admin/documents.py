"""An object's documents on its page, in the project's own admin."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.utils import quote
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

from django_craftkit.admin.common.format import Context, age_by
from django_craftkit.admin.common.truncate import LONG, short_name
from django_craftkit.models import Render
from django_craftkit.permissions import permitted, permitted_among
from django_craftkit.visibility import visible

from .renders.buttons import RenderButtons
from .renders.page import document_buttons, render_badges

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse

    _ModelAdmin = ModelAdmin[Any]
else:
    _ModelAdmin = object

#: Documents that a page shows at most, the newest ones.
MOST = 20


class CraftkitDocumentsMixin(_ModelAdmin):
    """Shows the documents about an object below the form of its change page, with their buttons.

    Write it before ``ModelAdmin``: ``class OrderAdmin(CraftkitDocumentsMixin, ModelAdmin)``. Users
    see the documents that they may view, the newest 20, and the buttons that they may press on the
    document's own page.
    """

    def render_change_form(
        self, request: HttpRequest, context: Context, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Return the page, with the documents of a saved object after all that it has."""
        response = super().render_change_form(request, context, *args, **kwargs)
        original: Any = context.get("original")
        # An answer of the project's own is left as it is.
        if not isinstance(response, TemplateResponse) or original is None or original.pk is None:
            return response
        shown = None if context.get("is_popup") else self._documents_of(request, original)
        if shown is not None:
            found: Any = response.context_data
            found["craftkit_documents"] = shown
            found["media"] += forms.Media(css={"all": ["django_craftkit/admin.css"]})
            # Whatever template the page has, ours goes around it.
            found["craftkit_documents_page"] = response.resolve_template(response.template_name)
            response.template_name = "admin/craftkit/documents.html"
        return response

    def _documents_of(self, request: HttpRequest, source: Model) -> Context | None:
        """Return what the page shows of an object's documents; ``None`` for who may see none."""
        user, rows = request.user, visible(Render.objects.for_object(source), request)
        rows = rows.defer(*LONG[Render]).select_related("requested_by")
        mine = permitted(user, "view_render", rows)
        renders = list((rows if mine is None else mine)[: MOST + 1])
        if mine is None:
            seen = permitted_among(user, "view_render", renders)
            renders = [render for render in renders if render.pk in seen]
        sees_all = user.has_perm("craftkit.view_render")
        if not (renders or sees_all):
            return None
        newest = renders[:MOST]
        under_way = [render.pk for render in newest if not render.is_final]
        late = (
            Render.objects.overdue().filter(pk__in=under_way)
            if under_way
            else Render.objects.none()
        )
        pks = set(late.values_list("pk", flat=True))
        allowed = cache(lambda codename: permitted_among(user, codename, newest))

        def may(render: Render, codename: str) -> bool:
            return render.pk in allowed(codename)

        has_buttons = isinstance(self.admin_site._registry.get(Render), RenderButtons)
        return {
            "rows": [
                {
                    "key": short_name(render.key),
                    "url": self._address_of("change", render),
                    "template": render.template,
                    "badges": render_badges(render, is_overdue=render.pk in pks),
                    "asked_for": age_by(render.requested_at, render.requested_by),
                    "buttons": list(
                        document_buttons(
                            render, partial(may, render), partial(self._address_of, render=render)
                        )
                    )
                    if has_buttons
                    else [],
                }
                for render in newest
            ],
            "all_url": self._all_of(renders[0]) if sees_all and len(renders) > MOST else "",
            "is_cut": len(renders) > MOST,
        }

    def _address_of(self, page: str, render: Render) -> str:
        return self._reverse(page, quote(render.pk))

    def _all_of(self, render: Render) -> str:
        url = self._reverse("changelist")
        about = (
            f"source_type__id__exact={render.source_type_id}&source_id={quote(render.source_id)}"
        )
        return url and f"{url}?{about}"

    def _reverse(self, page: str, *args: object) -> str:
        """Return the address of a page of documents; "" where this site has none."""
        name = f"admin:craftkit_render_{page}"
        try:
            return reverse(name, args=args, current_app=self.admin_site.name)
        except NoReverseMatch:
            return ""
