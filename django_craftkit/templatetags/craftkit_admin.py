"""``{% load craftkit_admin %}``: what the front page counts, and the banner of every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from django_craftkit import clock, conf, credentials
from django_craftkit.database import count_some, database
from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.project import signed_projects
from django_craftkit.permissions import allows
from django_craftkit.visibility import visible
from django_craftkit.words import ago, grouped, inside, since, why_paused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.db.models import Model, QuerySet
    from django.template.context import Context
    from django.utils.functional import _StrOrPromise

register = template.Library()

#: What is counted ends there: "1,000+" says as much as the number would.
MOST = 1000

#: Paused projects of the resolver's that a page tells of; the list of projects has them all.
MOST_PAUSED = 20

#: What a template shows.
Shown = dict[str, object]


class _Figure(NamedTuple):
    rows: QuerySet[Model]
    #: What of an address has the list find the same rows.
    query: str
    #: "" for what nobody has to act on.
    tone: str
    #: A lazy plural.
    label: _StrOrPromise


@register.inclusion_tag("admin/craftkit/banner.html", takes_context=True)
def craftkit_banner(context: Context) -> Shown:
    """Say what holds anything up, and what to do."""
    sees_settings = _may(context, "view_projectstate")
    problems = _problems(*_states(context), sees_settings=sees_settings)
    if sees_settings and _may(context, "resume_projectstate"):
        for problem in problems:
            problem["url"] = _page_of(context, problem.get("state"))
    return {"problems": problems}


@register.simple_tag(takes_context=True)
def craftkit_front_page(context: Context) -> Shown:
    """Return what the front page shows above the list of models, as far as the user may see it."""
    lists = _lists(context)
    shown = [figure for figure in _figures() if figure.rows.model in lists]
    using, request = database(), context["request"]
    rows = [visible(figure.rows.using(using), request) for figure in shown]
    numbers = count_some(rows, MOST)
    return {
        "figures": [
            {
                "url": f"{lists[figure.rows.model]}?{figure.query}",
                "number": grouped(min(number, MOST)) + ("+" if number > MOST else ""),
                "label": figure.label % number,
                "tone": figure.tone if number else "calm",
            }
            for figure, number in zip(shown, numbers, strict=True)
            # What nobody has to act on is not there at all.
            if number or not figure.tone
        ],
        "projects": (
            _projects(*_states(context), sees_settings=_may(context, "view_projectstate"))
            if ProjectState in lists
            else []
        ),
        "projects_url": lists.get(ProjectState, ""),
    }


def _lists(context: Context) -> dict[type[Model], str]:
    """Return the address of each list of ours that the user may see on this site."""
    if not context["request"].user.is_active:
        return {}
    return {
        entry["model"]: entry["admin_url"]
        for app in context.get("app_list") or ()
        for entry in app["models"]
        if entry.get("admin_url") and entry.get("model") is not None
    }


def _figures() -> Iterator[_Figure]:
    """Yield what is counted: first what somebody must act on, then what goes on by itself.

    The lists find the rows of each by the same methods.
    """
    label = ngettext_lazy("project paused", "projects paused")
    yield _Figure(ProjectState.objects.paused(), "state=paused", "warn", label)
    label = ngettext_lazy("document failed or rejected", "documents failed or rejected")
    yield _Figure(Render.objects.needing_action(), "state=failed", "bad", label)
    label = ngettext_lazy("document overdue", "documents overdue")
    yield _Figure(Render.objects.overdue(), "state=overdue", "warn", label)
    label = ngettext_lazy("document held", "documents held")
    yield _Figure(Render.objects.waiting(), "state=held", "warn", label)
    label = ngettext_lazy("e-mail needs a decision", "e-mails need a decision")
    yield _Figure(Share.objects.unsettled(), "state=unsettled", "bad", label)
    refused = Share.objects.needing_action()
    label = ngettext_lazy("e-mail rejected", "e-mails rejected")
    yield _Figure(refused.filter(by_mail=True), "state=failed_mails", "bad", label)
    label = ngettext_lazy("link rejected", "links rejected")
    yield _Figure(refused.filter(by_mail=False), "state=failed_links", "bad", label)
    label = ngettext_lazy(
        "signature request declined or failed", "signature requests declined or failed"
    )
    yield _Figure(SignatureRequest.objects.needing_action(), "state=failed", "bad", label)
    label = ngettext_lazy(
        "signature request unknown at Craftkit", "signature requests unknown at Craftkit"
    )
    yield _Figure(SignatureRequest.objects.unknown(), "state=unknown", "bad", label)
    label = ngettext_lazy("signature request held", "signature requests held")
    yield _Figure(SignatureRequest.objects.waiting(), "state=held", "warn", label)
    label = ngettext_lazy("job quarantined", "jobs quarantined")
    yield _Figure(Job.objects.quarantined(), "state=quarantined", "bad", label)
    abandoned = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.ABANDONED)
    label = ngettext_lazy("webhook abandoned", "webhooks abandoned")
    yield _Figure(abandoned, "status__exact=abandoned", "bad", label)
    failed_signals = Change.objects.filter(announcement=Change.Announcement.ABANDONED)
    label = ngettext_lazy("signal given up", "signals given up")
    yield _Figure(failed_signals, "announcement__exact=abandoned", "bad", label)
    label = ngettext_lazy("document under way", "documents under way")
    yield _Figure(Render.objects.under_way(), "state=under_way", "", label)
    label = ngettext_lazy("waiting for signatures", "waiting for signatures")
    yield _Figure(SignatureRequest.objects.open(), "state=open", "", label)
    received = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.RECEIVED)
    label = ngettext_lazy("webhook waiting", "webhooks waiting")
    yield _Figure(received, "status__exact=received", "", label)


def _read_states() -> list[Any]:
    """Return the states of the settings' projects, and of a few others that are paused."""
    ordered: Any = ProjectState.objects.writer().order_by("project", "capability")
    rows = ordered.annotate(read_at=clock.database_now_expression())
    if not conf.options().PROJECT_RESOLVER:
        return list(rows)
    mine = signed_projects()
    others = rows.paused().exclude(project__in=mine)
    return [*rows.filter(project__in=mine), *others[:MOST_PAUSED]]


def _states(context: Context) -> tuple[list[ProjectState], datetime]:
    """Read what is known of the projects, and the database's time; once a page."""
    request = context.get("request")
    found: tuple[list[ProjectState], datetime] | None = getattr(request, "craftkit_states", None)
    if found is None:
        states = _read_states()
        found = (states, clock.moment(states[0].read_at if states else None))
        if request is not None:
            request.craftkit_states = found
    return found


def _may(context: Context, codename: str) -> bool:
    """Whether a page has a user, with this permission."""
    user = getattr(context.get("request"), "user", None)
    return user is not None and allows(user, codename)


def _page_of(context: Context, state: object) -> str:
    """Return the page of a paused project, where it can be tried again; "" where there is none."""
    site = getattr(context["request"], "current_app", None)
    name = "admin:craftkit_projectstate_change"
    try:
        return reverse(name, args=[state], current_app=site) if state else ""
    except NoReverseMatch:
        return ""


def _problems(states: list[ProjectState], now: datetime, *, sees_settings: bool) -> list[Shown]:
    """Return what holds anything up, the worst first."""
    problems: list[Shown] = []
    if conf.options().PAUSED:
        problems.append({"kind": "all_paused"})
    problems += [
        {
            "kind": "paused",
            "state": state.pk,
            "project": state.project,
            "capability": state.get_capability_display() if state.capability else "",
            "stops_signatures": state.capability == ProjectState.Capability.SIGNATURES,
            "reason": why_paused(state, sees_settings=sees_settings),
            "since": since(state.paused_at, now),
            "moment": state.paused_at,
        }
        for state in states
        if state.paused_at is not None
    ]
    for whole in _configured(states):
        if not whole.has_worker(now):
            kind, moment = "no_worker", whole.last_sign_at
        elif not whole.has_sweep(now):
            kind, moment = "no_sweep", whole.swept_at
        else:
            continue
        problems.append({"kind": kind, "project": whole.shown_project, "ago": _ago(moment, now)})
    problems += [
        {"kind": "no_secret", "project": alias}
        for alias in conf.projects()
        if not _has_secret(alias)
    ]
    return problems


def _projects(states: list[ProjectState], now: datetime, *, sees_settings: bool) -> list[Shown]:
    """Return which workers each configured project has, and what of it is paused."""
    return [
        {
            "alias": whole.shown_project,
            "seen": _ago(whole.last_sign_at, now) or _("never"),
            "swept": _ago(whole.swept_at, now) or _("never"),
            "has_worker": whole.has_worker(now),
            "has_sweep": whole.has_sweep(now),
            "pauses": [
                {
                    "what": state.get_capability_display(),
                    "reason": why_paused(state, sees_settings=sees_settings),
                    "since": since(state.paused_at, now),
                }
                for state in states
                if state.project == whole.project and state.paused_at is not None
            ],
        }
        for whole in _configured(states)
    ]


def _configured(states: list[ProjectState]) -> list[ProjectState]:
    """Return the state of each project that settings name: a new one where it has none yet.

    One more stands for those of the resolver.
    """
    wholes = {state.project: state for state in states if not state.capability}
    return [wholes.get(alias, ProjectState(project=alias)) for alias in signed_projects()]


def _ago(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else inside(ago, moment, now)


def _has_secret(alias: str) -> bool:
    try:
        return bool(credentials.webhook_secrets(alias))
    except ImproperlyConfigured:
        return False
