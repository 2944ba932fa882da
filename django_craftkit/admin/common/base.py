"""What all pages have in common: they are read-only, and staff act by buttons and actions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import django
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.db.models import JSONField
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import linebreaksbr
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_craftkit.admin.common import lookups
from django_craftkit.database import database
from django_craftkit.models import RenderWithdrawn
from django_craftkit.models.problems import Problem
from django_craftkit.permissions import allows, user_of
from django_craftkit.visibility import visible

from .buttons import MOST, button, buttons_of, permission_of, timeout, too_many
from .format import Context, age
from .lists import IndexedSearch, M, is_list, url_name
from .results import listed_errors, nothing_to_send
from .truncate import LONGEST_TEXT, as_text, is_truncated, laid_out, truncate, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from django.contrib.admin.options import _FieldOpts
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.functional import _StrOrPromise

    from django_craftkit.models.mirror import Mirror
    from django_craftkit.models.problems import Explained

    from .results import Message


#: Rows that a confirmation names; of the others it says how many there are.
LISTED = 200


class Said(NamedTuple):
    """What is said of an action: in the history of each row, and in lazy plurals to the user."""

    log: _StrOrPromise
    done: _StrOrPromise
    left: _StrOrPromise


class MirrorAdmin(IndexedSearch[M]):
    """Read-only: Django shows every field as text. Each action is behind its own permission."""

    list_per_page = 50
    list_max_show_all = 100
    #: Columns of any length: a page shows the beginning of each, and leads to the whole.
    wholes: tuple[str, ...] = ()
    #: Columns that an address may filter by, beside those that are fields of the page. Each stands
    #: on the pages of a row for whoever may see them, as it is, whatever the fields are called.
    filterable: tuple[str, ...] = ()

    class Media:
        css = {"all": ["django_craftkit/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        return [*buttons_of(self), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        queryset = super().get_queryset(request)
        # What may be too deep to be read is read as text, where it is shown at all.
        deep = [name for name in self.wholes if isinstance(self.opts.get_field(name), JSONField)]
        queryset = queryset.defer(*(self.wholes if is_list(request) else deep))
        if url_name(request).endswith("_change"):
            queryset = queryset.annotate(**{f"{name}_text": as_text(name) for name in deep})
        # What is acted upon is read where it is written: a replica may be behind.
        rows = queryset if _only_shows(request) else queryset.using(database())
        return visible(rows, request)

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        # Django 6.1 says where they are shown, and looks for this argument; earlier ones know one
        # place.
        where = () if action_location is None else (action_location,)
        return {
            name: found
            for name, found in super().get_actions(request, *where).items()
            if (right := permission_of(self, name)) is None or self.allows(request, right)
        }

    def get_filterable(self, request: HttpRequest) -> Sequence[str]:
        """Return the columns that this user's addresses may filter by: what the page shows."""
        fields = flatten_fieldsets(self.fieldsets or [(None, {"fields": self.fields or ()})])
        own = {field.name for field in self.opts.concrete_fields if not field.is_relation}
        return [*self.filterable, *own.intersection(fields)]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Django lets through any column of the row.
        filters = self.get_list_filter(request)
        return (
            lookups.may_filter(self.model, lookup, self.get_filterable(request))
            or lookup in lookups.of_filters(self.model, filters, self.date_hierarchy)
            or (lookup, value) in lookups.of_choices(self.model)
        )

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        # A page is found by what its address holds, and by nothing that it hides.
        return to_field in ("pk", self.opts.pk.name)

    def get_wholes(self, request: HttpRequest, obj: M) -> Sequence[str]:
        """Return the columns of a row that this user may download."""
        return self.wholes

    @button("raw", lambda row: f"view_{row._meta.model_name}", "GET")
    def raw_view(self, request: HttpRequest, row: M) -> HttpResponse:
        """Return a column as a file: the page shows its beginning."""
        name = request.GET.get("of", "")
        if name not in self.get_wholes(request, row):
            raise Http404
        content, kind = whole(row, name)
        file = f"{self.opts.model_name}-{row.pk}-{name}.{kind}"
        headers = {
            "Content-Type": "application/json" if kind == "json" else "text/plain; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{file}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        }
        return HttpResponse(content, headers=headers)

    def more_of(self, row: Model, name: str, *, is_cut: bool = True) -> str:
        """Return the line that says of a column that there is more of it, and leads there."""
        if not is_cut:
            return ""
        return format_html(
            '<p class="craftkit-quiet craftkit-cut">{} <a href="{}?of={}">{}</a></p>',
            _("This is only its beginning."),
            self.address("raw", row.pk),
            name,
            _("Download the whole"),
        )

    def json_of(self, row: Model, name: str) -> str:
        """Return JSON of any length and depth for the page of its row."""
        text = getattr(row, f"{name}_text", None)
        if text is None:
            return "–"
        text, is_cut = laid_out(text)
        return format_html("{}{}", text, self.more_of(row, name, is_cut=is_cut))

    def error_of(self, row: Mirror, error: str | None = None) -> Context:
        """Return what the page of a row says of its error, in words and by field.

        ``error`` are other words than the row's own.
        """
        is_cut = error is None and is_truncated(row.error, LONGEST_TEXT)
        listed, is_all = listed_errors(row)
        return {
            "error": problem_text(row) if error is None else truncate(error, LONGEST_TEXT),
            "error_more": self.more_of(row, "error", is_cut=is_cut),
            "field_errors": listed,
            "field_errors_more": self.more_of(row, "field_errors", is_cut=not is_all),
        }

    def render_change_form(
        self, request: HttpRequest, context: Context, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Django 6.1 has the link to the history beside the title, earlier ones in what our pages
        # have their own of.
        context["craftkit_tools"] = django.VERSION < (6, 1)
        if (row := kwargs.get("obj")) is not None:
            context |= self.context_of(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    # The row is as ``get_queryset`` and ``prepare_rows`` of the class leave it, with what they add.
    def context_of(self, request: HttpRequest, row: Any) -> Context:
        """Return what the template of a row's page shows beside its fields."""
        return {}

    def timeline_of(self, request: HttpRequest, row: Any) -> Context:
        """Return the timeline of a row as ``timeline.context`` does; {} for what has none."""
        return {}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Context | None = None
    ) -> HttpResponse:
        """Show what happened to a row, and what staff did to it: there is one history of it."""
        answer = super().history_view(request, object_id, extra_context)
        # Where the user may see it, and it is there.
        context = getattr(answer, "context_data", {})
        if (row := context.get("object")) is not None:
            context |= {"timeline": self.timeline_of(request, row), "media": self.media}
        return answer

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # Not whoever may "change", as Django has it: nobody changes these.
        return self.allows(request, f"view_{self.opts.model_name}", obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    has_delete_permission = has_change_permission

    def message_user(
        self, request: HttpRequest, message: _StrOrPromise, *args: Any, **kwargs: Any
    ) -> None:
        # What Craftkit or a storage says may be of any length.
        super().message_user(request, truncate(str(message), LONGEST_TEXT), *args, **kwargs)

    def allows(self, request: HttpRequest, codename: str, obj: Model | None = None) -> bool:
        """Whether the user has a permission of this app, for everything or for this object."""
        return allows(request.user, codename, obj)

    def address(self, page: str, pk: int | None = None, *, model: str = "") -> str:
        """Return the address of a page of ours; "" where this site has none."""
        name = f"admin:{self.opts.app_label}_{model or self.opts.model_name}_{page}"
        args = [] if pk is None else [quote(pk)]
        try:
            return reverse(name, args=args, current_app=self.admin_site.name)
        except NoReverseMatch:
            return ""

    def of_row(
        self, request: HttpRequest, row: M
    ) -> tuple[Callable[[str], bool], Callable[[str], str]]:
        """Return ``allows`` and ``address`` of one row."""
        return partial(self.allows, request, obj=row), partial(self.address, pk=row.pk)

    def back(
        self, request: HttpRequest, obj: Model | None = None, *, filters: str = ""
    ) -> HttpResponse:
        """Redirect to the page of an object, or to the list, as far as the user may see them."""
        url = reverse("admin:index", current_app=self.admin_site.name)
        if obj is not None and self.has_view_permission(request, obj):
            url = self.address("change", obj.pk)
        elif self.has_view_permission(request):
            url = self.address("changelist") + (f"?{filters}" if filters else "")
        return HttpResponseRedirect(url)

    def tell(self, request: HttpRequest, row: Model | None, *results: Message) -> HttpResponse:
        """Say what became of a request, and redirect to the page of its row."""
        for level, text in results:
            self.message_user(request, text, level)
        return self.back(request, row)

    def send_again(
        self,
        request: HttpRequest,
        row: Any,
        result_of: Callable[[M], Message],
        withdrawn: str,
        **how: bool,
    ) -> HttpResponse:
        """Retry a link or a signature request, and say what became of it.

        ``withdrawn`` is what to say where its document was; ``how`` is for its ``retry``.
        """
        try:
            is_requested = row.retry(user=user_of(request), wait=timeout(), **how)
        except RenderWithdrawn:
            return self.tell(request, row, (messages.ERROR, withdrawn))
        if not is_requested:
            return self.tell(request, row, nothing_to_send())
        self.log_change(request, row, _("Asked for it to be sent once more."))
        return self.tell(request, row, result_of(row))

    def page(
        self, request: HttpRequest, template: str, *, original: M | None, **context: object
    ) -> HttpResponse:
        """Return a page of our own, about ``original`` or the list, in the frame of the admin."""
        request.current_app = self.admin_site.name
        frame = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": self.has_view_permission(request),
            "original": original,
            "back": original and self.address("change", original.pk),
            "may_go_back": original and self.has_view_permission(request, original),
        }
        return TemplateResponse(request, f"admin/craftkit/{template}", {**frame, **context})

    def few_of(self, request: HttpRequest, rows: QuerySet[M]) -> list[M] | None:
        """Return selected rows for a confirmation; ``None`` where they are too many, and say so."""
        few = list(rows.order_by("pk")[: MOST + 1])
        if len(few) <= MOST:
            return few
        self.message_user(request, too_many(), messages.ERROR)
        return None

    def each(
        self, request: HttpRequest, rows: Iterable[M], do: Callable[[M], object], said: Said
    ) -> None:
        """Do something to each row, log it, and say of how many it was done, or not done.

        ``do`` returns something true where it was done.
        """
        # Read at once: a page that is filtered by status loses them as they change.
        chosen, count = list(rows), 0
        for row in chosen:
            if do(row):
                self.log_change(request, row, str(said.log))
                count += 1
        self.tell_counts(request, said, count, len(chosen) - count)

    def all_of(
        self,
        request: HttpRequest,
        rows: Iterable[M],
        do: Callable[[list[int]], Collection[int]],
        said: Said,
    ) -> None:
        """Do something to all rows at once, and say it as ``each`` does.

        ``do`` gets their keys and returns those it was done to.
        """
        chosen = list(rows)
        keys = do([row.pk for row in chosen])
        done = [row for row in chosen if row.pk in keys]
        self.log_all(request, done, said.log)
        self.tell_counts(request, said, len(done), len(chosen) - len(done))

    def tell_counts(self, request: HttpRequest, said: Said, done: int, left: int) -> None:
        """Say of how many rows something was done, and not done."""
        self.tell_count(request, said.done, done, messages.SUCCESS)
        self.tell_count(request, said.left, left)

    def tell_count(
        self, request: HttpRequest, text: _StrOrPromise, count: int, level: int = messages.WARNING
    ) -> None:
        """Say a lazy plural, where there is something to say."""
        if count:
            self.message_user(request, text % count, level)

    def log_all(self, request: HttpRequest, rows: Sequence[Model], text: _StrOrPromise) -> None:
        """Write in the history of each row what was requested, with one query."""
        if rows:
            user = user_of(request)
            LogEntry.objects.log_actions(user.pk, rows, CHANGE, change_message=str(text))


def _only_shows(request: HttpRequest) -> bool:
    """Whether a request is for a page of Django's own that changes nothing."""
    pages = ("_changelist", "_change", "_history")
    is_known = request.resolver_match is None or url_name(request).endswith(pages)
    return request.method == "GET" and is_known


def first_seen(site: AnyAdmin, request: HttpRequest, rows: Sequence[M]) -> Sequence[M]:
    """Return the rows that a confirmation lists, the first ones; none unless all may be seen."""
    first = rows[:LISTED]
    seen = (site.allows(request, f"view_{row._meta.model_name}", row) for row in first)
    return first if all(seen) else ()


#: Any of them, and what its lists and pages show of a row.
AnyAdmin = MirrorAdmin[Any]
if TYPE_CHECKING:
    Column = Callable[[AnyAdmin, Model], str]


def text_column(name: str, description: _StrOrPromise) -> Column:
    """Return a field of a page that shows a text of any length."""

    def shown(site: AnyAdmin, row: Model) -> str:
        text = str(getattr(row, name) or "")
        return _text_of(site, row, name, text, truncate(text, LONGEST_TEXT))

    return admin.display(description=description)(shown)


def problem_column() -> Column:
    """Return a field of a page that says what went wrong with its row."""

    def shown(site: AnyAdmin, row: Any) -> str:
        return _text_of(site, row, "error", row.error, problem_text(row))

    return admin.display(description=_("error"))(shown)


def problem_text(row: Explained) -> str:
    """Return what went wrong with a row, worded, and cut where it is long."""
    return str(Problem(row.error_code, truncate(row.error, LONGEST_TEXT)))


def _text_of(site: AnyAdmin, row: Model, name: str, text: str, shown: str) -> str:
    if not is_truncated(text, LONGEST_TEXT):
        return shown or site.get_empty_value_display()
    return format_html("<div>{}{}</div>", linebreaksbr(shown), site.more_of(row, name))


def json_column(name: str, description: _StrOrPromise) -> Column:
    """Return a field of a page that shows JSON of any length and depth."""
    return admin.display(description=description)(lambda site, row: site.json_of(row, name))


def age_column(name: str, description: _StrOrPromise, ordering: str | None = None) -> Column:
    """Return a column that shows how long ago something was."""

    def shown(site: AnyAdmin, row: Model) -> str:
        moment = getattr(row, name)
        return "–" if moment is None else age(moment)

    return admin.display(description=description, ordering=ordering)(shown)


def collapsed(title: _StrOrPromise, *fields: str) -> tuple[_StrOrPromise, _FieldOpts]:
    """Return a part of a page that is closed until somebody opens it."""
    return (title, {"fields": fields, "classes": ("collapse",)})
