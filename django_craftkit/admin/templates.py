"""Templates: what Craftkit has, and what each of them takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import Http404
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_craftkit import conf, credentials, embedding
from django_craftkit.admin.common import buttons
from django_craftkit.admin.common.base import age_column, json_column, text_column
from django_craftkit.admin.common.buttons import Refused, row_action
from django_craftkit.admin.common.format import badge, linked
from django_craftkit.admin.common.lists import ProjectFilter, StateFilter
from django_craftkit.admin.common.truncate import object_of, short_line, short_name
from django_craftkit.admin.common.work import WorkAdmin
from django_craftkit.models import Template
from django_craftkit.models.project import known_projects
from django_craftkit.permissions import user_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    class ShownTemplate(Template):
        """One as ``prepare_rows`` leaves it."""

        sees_documents: bool


#: What it takes to open the builder.
DESIGN = "design_template"
#: Variables, and fields of loops, that a page shows at most.
MOST = 300


class TemplateState(StateFilter):
    states = {
        "published": (_("published"), lambda rows: rows.known().filter(published=True)),
        "unpublished": (_("not published"), lambda rows: rows.known().filter(published=False)),
        "gone": (_("deleted at Craftkit"), lambda rows: rows.gone()),
    }


@admin.register(Template)
class TemplateAdmin(WorkAdmin[Template]):
    list_display = ("slug", "shown_name", "project", "state", "shown_version", "shown_seen")
    list_filter = (TemplateState, ProjectFilter)
    sortable_by = ("slug",)
    search_prefixes = ("slug",)
    search_exact = ("remote_id",)
    ordering = ("slug", "pk")
    actions = ("read_anew",)
    button = _("Read anew")
    wholes = ("description", "manifest", "json_schema")
    filterable = ("name", "version")
    fields = (
        "slug",
        "shown_name",
        "state",
        "shown_version",
        "documents",
        "shown_description",
        "shown_manifest",
        "shown_schema",
        "project",
        "template_type",
        "remote_id",
        "created_at",
        "updated_at",
        "seen_at",
        "gone_at",
        "shown_button",
        "shown_design",
    )
    shown_seen = age_column("seen_at", _("last read"))
    shown_description = text_column("description", _("description"))
    shown_schema = json_column("json_schema", _("JSON Schema"))

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ShownTemplate]) -> None:
        sees = self.allows(request, "view_render")
        for row in rows:
            row.sees_documents = sees

    def get_fields(self, request: HttpRequest, obj: Template | None = None) -> tuple[str, ...]:
        may = obj is not None and not obj.is_gone and self.allows(request, DESIGN, obj)
        return tuple(
            name for name in super().get_fields(request, obj) if name != "shown_design" or may
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        aliases = known_projects() if self.allows(request, DESIGN) else []
        links = [(alias, f"{self.address('new')}?{urlencode({'of': alias})}") for alias in aliases]
        return super().changelist_view(request, {**(extra_context or {}), "new_links": links})

    @admin.display(description=_("name"))
    def shown_name(self, row: Template) -> str:
        return short_line(row.name)

    @admin.display(description=_("state"))
    def state(self, row: Template) -> str:
        if row.is_gone:
            return badge(_("deleted at Craftkit"), "quiet")
        if row.published:
            return badge(_("published"), "good")
        return badge(_("not published"), "warn")

    @admin.display(description=_("version"))
    def shown_version(self, row: Template) -> str:
        # As code names it: it is no quantity.
        return "–" if row.version is None else str(row.version)

    @admin.display(description=_("documents"))
    def documents(self, row: ShownTemplate) -> str:
        # To count them may take long; their list is made to be long.
        url = self.address("changelist", model="render") if row.sees_documents else ""
        query = urlencode({"template": row.slug, "project": row.project})
        return linked(f"{url}?{query}", _now("Show those made from it")) if url else "–"

    @admin.display(description=_("what it takes"))
    def shown_manifest(self, row: Template) -> str:
        manifest = object_of(row, "manifest")
        if not isinstance(manifest.get("variables"), list):
            return self.json_of(row, "manifest")
        tables, left = [], MOST
        for title, items in _lists(manifest):
            if left > 0:
                tables.append((title, _table(items[:left])))
            left -= max(len(items), 1)
        is_cut = left < 0 or any("…" in table for _title, table in tables)
        return format_html(
            "<div>{}{}</div>",
            format_html_join("", "<h3>{}</h3>{}", tables),
            self.more_of(row, "manifest", is_cut=is_cut),
        )

    @admin.display(description=_("builder"))
    def shown_design(self, row: Template) -> str:
        url = self.address("design", row.pk)
        return format_html('<a class="button" href="{}">{}</a>', url, _now("Design"))

    @buttons.button("design", DESIGN, "GET", "POST")
    def design_view(self, request: HttpRequest, row: Template) -> HttpResponse:
        """Show a template in Craftkit's builder; a POST opens the session."""
        if row.is_gone or not credentials.has_project(row.project):
            raise Refused(_now("It is not there any more."))
        if request.method == "POST":
            return self._open(request, row.project, row)
        title = _now("Design %s") % short_line(row.name or row.slug)
        return self._builder(request, row, title, self.address("change", row.pk))

    @buttons.button("/new", DESIGN, "GET", "POST", name="new")
    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Make a template in Craftkit's builder; a POST opens the session."""
        project = request.GET.get("of", conf.DEFAULT_PROJECT)
        if not credentials.has_project(project):
            raise Http404
        if request.method == "POST":
            return self._open(request, project, None)
        return self._builder(request, None, _now("New template"), self.address("changelist"))

    def _open(self, request: HttpRequest, project: str, row: Template | None) -> HttpResponse:
        def mint() -> embedding.Session:
            slug, mode = ("", "create") if row is None else (row.slug, "edit")
            user = user_of(request)
            session = embedding.create_session(slug, mode=mode, user=user, project=project)
            if row is not None:
                self.log_change(request, row, _now("Opened it in the builder."))
            return session

        return embedding.opened(mint, tells_why=True)

    def _builder(
        self, request: HttpRequest, row: Template | None, title: str, close: str
    ) -> HttpResponse:
        url = request.get_full_path()
        return self.page(request, "builder.html", original=row, title=title, url=url, close=close)

    @row_action("read-anew", "refresh_template", _("Read the templates of these projects anew"))
    def read_anew(self, request: HttpRequest, queryset: Iterable[Template]) -> None:
        rows = list(queryset)
        projects = {row.project for row in rows}
        for project in sorted(projects):
            Template.objects.refresh(project)
        self.log_all(request, rows, _("Asked for it to be read anew."))
        text = ngettext_lazy(
            "The templates of %d project are read anew now.",
            "The templates of %d projects are read anew now.",
        )
        self.tell_count(request, text, len(projects), messages.SUCCESS)


def _lists(manifest: Mapping[str, object]) -> Iterator[tuple[str, list[object]]]:
    """Yield the titles of a manifest's tables and what they list: variables, then each loop."""
    yield _now("Variables"), _items(manifest.get("variables"))
    for loop in _items(manifest.get("loops")):
        if isinstance(loop, Mapping):
            names = (short_name(str(loop.get(name) or "")) for name in ("key", "label"))
            title = _now("Loop %s") % " – ".join(filter(None, names))
            yield title, _items(loop.get("itemFields"))


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _table(items: Iterable[object]) -> SafeString:
    """Return variables, or fields of a loop, as a table."""
    heads = (_now("key"), _now("label"), _now("type"), _now("required"))
    rows = []
    for item in items:
        given = item if isinstance(item, Mapping) else {}
        key, label, kind = (str(given.get(name) or "") for name in ("key", "label", "dataType"))
        required = _now("yes") if given.get("required") is True else "–"
        cells = (short_line(key), short_line(label), short_name(kind), required)
        rows.append([part for pair in zip(heads, cells, strict=True) for part in pair])
    if not rows:
        return format_html("<p>{}</p>", _now("None."))
    cell = '<td data-label="{}">{}</td>'
    first = '<td data-label="{}"><code>{}</code></td>'
    return format_html(
        '<table class="craftkit-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        format_html_join("", '<th scope="col">{}</th>', ([head] for head in heads)),
        format_html_join("", f"<tr>{first}{cell * 3}</tr>", rows),
    )
