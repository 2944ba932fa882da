"""What the pages of the mirror have in common: they show facts, and nobody types facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import django
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import linebreaksbr
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import formats
from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_craftkit import clock
from django_craftkit.database import database
from django_craftkit.permissions import allows
from django_craftkit.words import ago, inside

from . import columns, texts
from .buttons import button, buttons_of
from .lists import IndexedSearch, is_list

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


#: Characters of a key that a list shows.
LONGEST = 48


def badge(label: Any, tone: str) -> SafeString:
    """Return a word on a colour: good, bad, warn, busy or quiet."""
    return format_html('<span class="craftkit-badge craftkit-badge--{}">{}</span>', tone, label)


def exact(moment: datetime) -> str:
    """Return a moment to the second, in the reader's time zone and order of day and month."""
    here = clock.local(moment)
    return f"{formats.date_format(here, 'DATE_FORMAT')}, {formats.date_format(here, 'H:i:s')}"


def on_day(moment: datetime) -> SafeString:
    """Return the day of a moment, the exact moment as its title."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        exact(moment),
        formats.date_format(clock.local(moment), "DATE_FORMAT"),
    )


def age(moment: datetime) -> SafeString:
    """Return how long ago something was, the exact moment as its title."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        exact(moment),
        ago(moment, clock.now()),
    )


def age_by(moment: datetime, person: Any) -> SafeString:
    """Return how long ago something was asked for, and by whom if a person did."""
    who = name_of(person)
    if not who:
        return age(moment)
    return format_html(_("{when} by {who}"), when=inside(age, moment), who=who)


def linked(url: str, label: Any, *, title: str = "") -> Any:
    """Return a label that leads to a page; the label alone where this site has no such page."""
    if not url:
        return label
    if title:
        return format_html('<a href="{}" title="{}">{}</a>', url, title, label)
    return format_html('<a href="{}">{}</a>', url, label)


def press(url: str, label: Any) -> SafeString:
    """Return a button that sends the form of the page, and its token with it, elsewhere."""
    return format_html(
        '<button type="submit" class="button" formaction="{}">{}</button>', url, label
    )


def brief(text: str) -> str | SafeString:
    """Return the beginning of a long text, the whole of it as its title."""
    if len(text) <= LONGEST:
        return text
    return format_html('<span title="{}">{}…</span>', text, text[: LONGEST - 1])


def name_of(person: Any) -> str:
    """Return what a person is called here; "" for nobody."""
    if person is None:
        return ""
    # AbstractBaseUser has a user name, and no other.
    full_name = getattr(person, "get_full_name", str)
    return str(full_name() or person.get_username())


class MirrorAdmin(IndexedSearch):
    """Read-only; what staff may do are buttons and actions, each behind its own permission."""

    list_per_page = 50
    list_max_show_all = 100
    #: Columns of any length: a page shows the beginning of each, and leads to the whole.
    wholes: tuple[str, ...] = ()
    #: Columns that an address may filter by. Each stands on the pages of a row, as it is, for
    #: whoever may see them.
    columns: tuple[str, ...] = ()

    class Media:
        css = {"all": ["django_craftkit/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        return [*buttons_of(self), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request)
        # What may be too deep to be read is read as text, where it is shown at all.
        deep = [name for name in self.wholes if texts.is_json(self.opts.get_field(name))]
        queryset = queryset.defer(*(self.wholes if is_list(request) else deep))
        if _is_page(request):
            queryset = queryset.annotate(**{f"{name}_text": texts.as_text(name) for name in deep})
        # What is acted upon is read where it is written: a replica may be behind.
        return queryset if _only_shows(request) else queryset.using(database())

    def get_columns(self, request: HttpRequest) -> Sequence[str]:
        """Return the columns that this person's addresses may filter by."""
        return self.columns

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Django lets through any column of the row.
        return (
            columns.may_be_asked(self.model, lookup, self.get_columns(request))
            or lookup
            in columns.of_filters(self.model, self.get_list_filter(request), self.date_hierarchy)
            or (lookup, value) in columns.of_choices(self.model)
        )

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        # A page is found by what its address holds, and by nothing that it hides.
        return to_field in ("pk", self.opts.pk.name)

    def get_wholes(self, request: HttpRequest, obj: Any) -> Sequence[str]:
        """Return the columns of a row that this person may have whole."""
        return self.wholes

    @button("raw", lambda row: f"view_{row._meta.model_name}", "GET")
    def raw_view(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Hand out as a file what the page shows the beginning of."""
        name = request.GET.get("of", "")
        if name not in self.get_wholes(request, row):
            raise Http404
        content, kind = texts.whole(row, name)
        mime = "application/json" if kind == "json" else "text/plain; charset=utf-8"
        file = f"{self.opts.model_name}-{row.pk}-{name}.{kind}"
        headers = {
            "Content-Disposition": f'attachment; filename="{file}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        }
        return HttpResponse(content, content_type=mime, headers=headers)

    def more_of(self, row: Any, name: str, *, is_cut: bool = True) -> str | SafeString:
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

    def text_of(self, row: Any, name: str) -> str | SafeString:
        """Return a text of any length for the page of its row."""
        text = str(getattr(row, name) or "")
        if not texts.is_cut(text, texts.LONGEST_TEXT):
            return text or self.get_empty_value_display()
        head = linebreaksbr(texts.start(text, texts.LONGEST_TEXT))
        return format_html("<div>{}{}</div>", head, self.more_of(row, name))

    def json_of(self, row: Any, name: str) -> str | SafeString:
        """Return JSON of any length and depth for the page of its row."""
        text = getattr(row, f"{name}_text", None)
        if text is None:
            return "–"
        laid_out, is_cut = texts.laid_out(text)
        return format_html("{}{}", laid_out, self.more_of(row, name, is_cut=is_cut))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Django 6.1 has the link to the history beside the title, earlier ones in what our pages
        # have their own of.
        context["craftkit_tools"] = django.VERSION < (6, 1)
        return super().render_change_form(request, context, *args, **kwargs)

    def way_of(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return the timeline of a row as ``told`` does; {} for what has none."""
        return {}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what happened to a row, and what staff did to it: there is one history of it."""
        answer: Any = super().history_view(request, object_id, extra_context)
        # Where the person may see it, and it is there.
        row = getattr(answer, "context_data", {}).get("object")
        if row is not None:
            answer.context_data |= {"way": self.way_of(request, row), "media": self.media}
        return cast("HttpResponse", answer)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # Not whoever may "change", as Django has it: nobody changes these.
        return self.allows(request, f"view_{self.opts.model_name}", obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **kwargs: Any) -> None:
        # What Craftkit or a storage says may be of any length.
        super().message_user(
            request, texts.start(str(message), texts.LONGEST_TEXT), *args, **kwargs
        )

    def person(self, request: HttpRequest) -> Any:
        return request.user

    def allows(self, request: HttpRequest, codename: str, obj: Model | None = None) -> bool:
        """Whether the person has a permission of this app, for everything or for this object."""
        return allows(request.user, codename, obj)

    def address(self, page: str, pk: Any = None, *, model: str = "") -> str:
        """Return the address of a page of ours; "" where this site has none."""
        name = f"admin:{self.opts.app_label}_{model or self.opts.model_name}_{page}"
        arguments = [] if pk is None else [quote(pk)]
        try:
            return reverse(name, args=arguments, current_app=self.admin_site.name)
        except NoReverseMatch:
            return ""

    def back(self, request: HttpRequest, obj: Any = None, filters: str = "") -> HttpResponse:
        """Lead to the page of an object, or to the list, as far as the person may see them."""
        url = reverse("admin:index", current_app=self.admin_site.name)
        if obj is not None and self.has_view_permission(request, obj):
            url = self.address("change", obj.pk)
        elif self.has_view_permission(request):
            url = self.address("changelist") + (f"?{filters}" if filters else "")
        return HttpResponseRedirect(url)

    def page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        """Return a page of our own in the frame of the admin."""
        request.current_app = self.admin_site.name
        frame = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": self.has_view_permission(request),
        }
        return TemplateResponse(request, f"admin/craftkit/{template}", {**frame, **context})

    def each(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        do: Callable[[Any], object],
        *,
        log: Any,
        done: Any,
        left: Any = None,
    ) -> int:
        """Do something to each row, log it, and say of how many it was done, or not done.

        ``done`` and ``left`` are lazy plurals; ``do`` returns something true where it was done.
        """
        # Read at once: a page that is filtered by status loses them as they change.
        count, others = 0, 0
        for row in list(rows):
            if do(row):
                self.log_change(request, row, str(log))
                count += 1
            else:
                others += 1
        if count:
            self.message_user(request, done % count, "success")
        if others and left is not None:
            self.message_user(request, left % others, "warning")
        return count

    def all_of(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        do: Callable[[list[int]], Collection[int]],
        *,
        log: Any,
        done: Any,
        left: Any,
    ) -> None:
        """Do something to all rows at once, and say it as ``each`` does.

        ``do`` gets their keys and returns those it was done to.
        """
        chosen = list(rows)
        keys = do([row.pk for row in chosen])
        asked = [row for row in chosen if row.pk in keys]
        self.log_all(request, asked, log)
        if asked:
            self.message_user(request, done % len(asked), "success")
        if others := len(chosen) - len(asked):
            self.message_user(request, left % others, "warning")

    def log_all(self, request: Any, rows: Sequence[Any], text: Any) -> None:
        """Write in the history of each row what was asked for, with one query."""
        if rows:
            LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, change_message=str(text))


def _is_page(request: HttpRequest) -> bool:
    """Whether the page of one row is asked for."""
    match = request.resolver_match
    return bool(match and (match.url_name or "").endswith("_change"))


def _only_shows(request: HttpRequest) -> bool:
    """Whether a request is for a page of Django's own that changes nothing."""
    match = request.resolver_match
    if request.method != "GET" or match is None:
        return request.method == "GET"
    return (match.url_name or "").endswith(("_changelist", "_change", "_history"))


def may_see_source(request: HttpRequest, render: Any) -> bool:
    """Whether the person may see what a document is about, by the permissions of its own app."""
    if render.source_type is None:
        return False
    app, model = render.source_type.natural_key()
    return any(request.user.has_perm(f"{app}.{verb}_{model}") for verb in ("view", "change"))


def source_link(render: Any, site: str, *, may_see: bool) -> str | SafeString:
    """Return what a document is about, linked to its page where the person may see it."""
    if render.source_type is None:
        return "–"
    label = f"{render.source_type.name} {render.source_id}{render.shown_place}"
    if not (may_see and render.is_where_its_model_is):
        return label
    name = f"admin:{render.source_type.app_label}_{render.source_type.model}_change"
    try:
        url = reverse(name, args=[quote(render.source_id)], current_app=site)
    except NoReverseMatch:
        url = ""
    shown_link: str | SafeString = linked(url, label)
    return shown_link


def is_link(url: str) -> bool:
    """Whether a link may lead somewhere; Craftkit's have some fifty characters."""
    return url.startswith(("https://", "http://")) and len(url) <= texts.LONGEST_LINE


def outward(url: str, label: Any = None) -> str | SafeString:
    """Return a link that leads away, and tells nobody where from."""
    if not is_link(url):
        return "–"
    return format_html(
        '<a href="{}" rel="noreferrer noopener" target="_blank">{}</a>', url, label or _("Open")
    )
