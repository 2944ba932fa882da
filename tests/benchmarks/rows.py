"""Rows like those of three years of business, by INSERT … SELECT: as many as one likes.

Nothing is drawn by lot: the same numbers make the same rows. Of every kind there are at least
``LEAST`` rows, so that a page of a small set is as full as its like of a large one, and what
differs is what lies beneath.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections, models

from django_craftkit.models import (
    Batch,
    Change,
    EngagementEvent,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from django_craftkit.models.problems import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIRRORED: tuple[type[models.Model], ...] = (
    Template,
    Batch,
    Render,
    Share,
    SignatureRequest,
    SignatureRecipient,
    Change,
    WebhookDelivery,
    EngagementEvent,
    Job,
    ProjectState,
)
#: More than a page of a list, also without those that something else is said of.
LEAST = 75
UNDER_WAY = 200
PEOPLE = 20
YEARS = "interval '3 years'"
#: A little less than what lists of what needs somebody go back.
LATELY = "interval '29 days'"
CHUNK = 50_000
#: Events of each of the documents that everybody reads, and how many there are of those.
READ, MUCH_READ = 20_000, 5
#: The objects that documents are about are users. Half of all documents are about one of them,
#: the others about those that follow: a handful for each.
HOLDER, HANDFUL = 1_000, 25

TEMPLATES = {"invoice": 0.6, "contract": 0.25, "offer": 0.1, "booking": 0.04, "certificate": 0.0}
_MOZILLA, _WEBKIT = "Mozilla/5.0", "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BATCH = "'batch' || g"
BROWSERS = (
    f"{_MOZILLA} (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/130.0.0.0 Safari/537.36",
    f"{_MOZILLA} (iPhone; CPU iPhone OS 18_1 like Mac OS X) {_WEBKIT} Version/18.1 Safari/604.1",
)


@dataclass
class Size:
    """How many rows of each kind there are to be."""

    renders: int
    events: int
    shares: int = field(init=False)
    deliveries: int = field(init=False)
    signatures: int = field(init=False)
    batches: int = field(init=False)
    templates: int = field(init=False)

    def __post_init__(self) -> None:
        self.shares = max(self.renders * 3 // 10, 10 * LEAST)
        self.deliveries = max(self.renders // 2, 20 * LEAST)
        self.signatures = max(self.renders // 10, 10 * LEAST)
        # As many documents in each, however many there are.
        self.batches = self.renders * 3 // 8
        self.templates = max(self.renders // 1000, 5 * LEAST)

    @property
    def total(self) -> int:
        mirrored = 3 * self.renders + self.shares + self.deliveries + self.events
        return mirrored + 3 * self.signatures + self.batches + self.templates


def fill(using: str, size: Size) -> None:
    """Fill the emptied tables of a benchmark's database."""
    refuse_others(using)
    filler = _Filler(using, size)
    _empty(using)
    filler.people()
    filler.templates()
    filler.batches()
    filler.renders()
    filler.shares()
    filler.signatures()
    filler.changes()
    filler.deliveries()
    filler.events()
    filler.jobs()
    filler.projects()
    filler.finish()


def refuse_others(using: str) -> None:
    connection = connections[using]
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "postgresql" or not name.startswith("test_craftkit_benchmarks"):
        raise RuntimeError(f"{name} is no database of the benchmarks, which is emptied first.")


def _empty(using: str) -> None:
    tables = ", ".join(model._meta.db_table for model in MIRRORED)
    with connections[using].cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")


def spread(number: str, total: int, step: int) -> str:
    """Return SQL that puts the numbers 1 to ``total`` out of order, each in a place of its own."""
    return f"(({number}) * {step}::bigint % {total})"


def pick(place: str, total: int, kinds: Mapping[str, float]) -> str:
    """Return SQL that gives each kind its part, and at least ``LEAST``; the first has the rest."""
    first, *others = kinds
    cases, until = [], 0
    for kind in others:
        until += max(int(total * kinds[kind]), LEAST)
        cases.append(f"WHEN {place} < {until} THEN '{kind}'")
    return f"(CASE {' '.join(cases)} ELSE '{first}' END)"


def moment(number: str, total: int, last: int) -> str:
    """Return SQL that spreads the numbers 1 to ``total`` over three years.

    The ``last`` are of the last month at the most: else a list of what is new would be empty on the
    small side, and have a page on the large one.
    """
    even = f"now() - {YEARS} + ({YEARS}) * ({number}::float8 / {total})"
    late = f"now() - {LATELY} * (({total} - {number})::float8 / {last})"
    return f"(CASE WHEN {number} > {total - last} THEN GREATEST({even}, {late}) ELSE {even} END)"


class _Filler:
    def __init__(self, using: str, size: Size) -> None:
        self.using, self.size = using, size
        self.connection = connections[using]
        self.bar = Progress(size.total)
        self.made: dict[str, int] = {}
        self.first_person = 0

    def people(self) -> None:
        users = get_user_model()._default_manager.using(self.using)
        users.filter(username__startswith="clerk").delete()
        made = users.bulk_create(users.model(username=f"clerk {n}") for n in range(PEOPLE))
        self.first_person = made[0].pk

    def templates(self) -> None:
        known = ", ".join(f"'{name}'" for name in TEMPLATES)
        place = "1 + (g - 1) / 2"
        self._insert(
            Template,
            self.size.templates,
            {
                "id": "g",
                "project": "CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'default' END",
                "slug": f"coalesce((ARRAY[{known}])[{place}], 'letter-' || {place})",
                "remote_id": _uuid("template", "g"),
                "name": f"'Letter ' || {place}",
                "template_type": "'document'",
                "published": "g % 9 > 0",
                "version": "CASE WHEN g % 9 > 0 THEN 1 + g % 7 END",
                "gone_at": "CASE WHEN g % 11 = 0 THEN now() - interval '9 days' END",
            },
            "SELECT g",
        )

    def batches(self) -> None:
        total = self.size.batches
        at = moment("g", total, LEAST)
        is_filled, is_complete = f"g <= {total - LEAST // 3}", f"g <= {total - LEAST}"
        self._insert(
            Batch,
            total,
            {
                "id": "g",
                "project": "CASE WHEN g % 5 = 0 THEN 'eu' ELSE 'default' END",
                "template": "'invoice'",
                "name": "CASE WHEN g % 4 > 0 THEN 'Invoices ' || g ELSE '' END",
                "key_hash": f"CASE WHEN g % 4 > 0 THEN {_hash(_BATCH)} || {_hash(_BATCH)} END",
                "requested_at": "s.at",
                "requested_by_id": f"CASE WHEN g % 2 = 0 THEN {self._person()} END",
                "filled_at": f"CASE WHEN {is_filled} THEN s.at + interval '1 minute' END",
                "completed_at": f"CASE WHEN {is_complete} THEN s.at + interval '1 hour' END",
            },
            f"SELECT g, {at} AS at",
        )

    def renders(self) -> None:
        total = self.size.renders
        template = pick(spread("g", total, 7919), total, TEMPLATES)
        ended = pick(
            spread("g", total, 104_729),
            total,
            {"succeeded": 0, "failed": 0.01, "rejected": 0.005, "cancelled": 0.002},
        )
        status = (
            f"(CASE WHEN g > {total - UNDER_WAY} "
            "THEN (ARRAY['pending','queued','rendering'])[1 + g % 3] "
            f"WHEN g > {total - UNDER_WAY - LEAST} THEN 'failed' ELSE {ended} END)"
        )
        at = moment("g", total, UNDER_WAY + LEAST)
        key = "s.template || '-' || extract(year FROM s.at) || '-' || lpad(g::text, 7, '0')"
        is_ready = "s.status = 'succeeded'"
        has_failed = "s.status IN ('failed', 'rejected')"
        self._insert(
            Render,
            total,
            {
                "id": "g",
                "project": "CASE WHEN g % 5 = 0 THEN 'eu' ELSE 'default' END",
                "template": "s.template",
                "version": "CASE WHEN g % 10 = 0 THEN 3 END",
                "key": key,
                "key_hash": f"encode(sha256(({key})::bytea), 'hex')",
                "status": "s.status",
                "remote_id": f"CASE WHEN s.status NOT IN ('pending', 'rejected') "
                f"THEN {_uuid('render', 'g')} END",
                "source_type_id": str(self._type_of(get_user_model())),
                "source_id": f"CASE WHEN g % 2 = 0 THEN '{HOLDER}' "
                f"ELSE ({HOLDER + 1} + g / 2 % {total // (2 * HANDFUL)})::text END",
                "requested_at": "s.at",
                "attempted_at": "s.at",
                "updated_at": "s.at + interval '3 seconds'",
                "accepted_at": "CASE WHEN s.status NOT IN ('pending', 'rejected') THEN s.at END",
                "completed_at": f"CASE WHEN {is_ready} THEN s.at + interval '3 seconds' END",
                "requested_by_id": f"CASE WHEN g % 4 = 0 THEN {self._person()} END",
                "batch_id": f"1 + (g - 1) * {self.size.batches}::bigint / {total}",
                "error": f"CASE WHEN {has_failed} THEN 'The data don''t fit: total' ELSE '' END",
                "error_code": f"CASE WHEN {has_failed} THEN 'validation_error' ELSE '' END",
                "data": "jsonb_build_object('customer', 'Customer ' || g % 50000, 'total', g % 997,"
                " 'lines', jsonb_build_array(jsonb_build_object('text', 'What was done, and for"
                " whom', 'price', g % 89), jsonb_build_object('text', 'And once more', 'price',"
                " g % 97)))",
                "answer": "jsonb_build_object('templateId', '0193c2c3-0000-7aaa-8bbb-000000000000',"
                " 'environment', 'live')",
                "counts": f"CASE WHEN {is_ready} AND g % 3 = 0 "
                "THEN jsonb_build_object('viewed', g % 7) ELSE '{}' END",
                "withdrawn_at": f"CASE WHEN {spread('g', total, 15_485_863)} < "
                f"{max(total // 500, LEAST)} THEN s.at + interval '1 hour' END",
            },
            f"SELECT g, {template} AS template, {status} AS status, {at} AS at",
        )

    def shares(self) -> None:
        total = self.size.shares
        place = spread("g", total, 7919)
        status = pick(
            place,
            total,
            {"active": 0, "revoked": 0.1, "rejected": 0.002, "pending": 0, "unknown": 0},
        )
        channel = pick(spread("g", total, 104_729), total, {"link": 0, "email": 0.2})
        channel = f"(CASE WHEN {status} = 'unknown' THEN 'email' ELSE {channel} END)"
        # Of all times alike; the newest documents have none yet.
        render = f"(1 + (g - 1) * {max(self.size.renders - UNDER_WAY, 1)}::bigint / {total})"
        self._insert(
            Share,
            total,
            {
                "id": "g",
                "render_id": "s.render",
                "project": "CASE WHEN s.render % 5 = 0 THEN 'eu' ELSE 'default' END",
                "key": _hash("'share' || g"),
                "key_hash": _hash("'share' || g") + " || " + _hash("'hash' || g"),
                "status": "s.status",
                "remote_id": f"CASE WHEN s.status IN ('active', 'revoked', 'unknown') "
                f"THEN {_uuid('share', 'g')} END",
                "url": "CASE WHEN s.status IN ('active', 'revoked') "
                "THEN 'https://craftkit.dev/s/' || " + _hash("'url' || g") + " ELSE '' END",
                "channel": "s.channel",
                "by_mail": "s.channel = 'email' AND g % 2 = 0",
                "recipient_email": "CASE WHEN s.channel = 'email' THEN "
                "(ARRAY['anna','ben','clara'])[1 + g % 3] || '.' || g % 9973 || "
                "'@example.org' ELSE '' END",
                "message": "CASE WHEN g % 3 = 0 THEN 'Please find your document here.' ELSE '' END",
                "requested_at": "s.at",
                "updated_at": "s.at + interval '2 seconds'",
                "requested_by_id": f"CASE WHEN g % 2 = 0 THEN {self._person()} END",
                "expires_at": "CASE WHEN g % 3 > 0 THEN s.at + interval '90 days' END",
                "revoke_requested_at": "CASE WHEN s.status = 'revoked' "
                "THEN s.at + interval '9 days' END",
                "revoked_at": "CASE WHEN s.status = 'revoked' THEN s.at + interval '9 days' END",
                "sending_since": "CASE WHEN s.status = 'unknown' THEN s.at END",
                "error_code": f"CASE WHEN s.status = 'unknown' "
                f"THEN '{ErrorCode.MAIL_UNPROVEN.value}' ELSE '' END",
                "click_count": "g % 4",
            },
            f"SELECT g, {render} AS render, {status} AS status, {channel} AS channel, "
            f"now() - {YEARS} + ({YEARS}) * (g::float8 / {total}) AS at",
        )

    def signatures(self) -> None:
        total = self.size.signatures
        status = pick(
            spread("g", total, 7919),
            total,
            {
                "completed": 0,
                "declined": 0.02,
                "expired": 0.05,
                "cancelled": 0.02,
                "failed": 0.0,
                "rejected": 0.0,
                "pending": 0.0,
                "sent": 0.0,
                "viewed": 0.0,
            },
        )
        status = f"(CASE WHEN g > {total - LEAST} THEN 'declined' ELSE {status} END)"
        render = f"(1 + (g - 1) * {max(self.size.renders - UNDER_WAY, 1)}::bigint / {total})"
        at = moment("g", total, LEAST)
        is_out = "s.status NOT IN ('pending', 'rejected')"
        self._insert(
            SignatureRequest,
            total,
            {
                "id": "g",
                "render_id": "s.render",
                "project": "CASE WHEN s.render % 5 = 0 THEN 'eu' ELSE 'default' END",
                "key": _hash("'sign' || g"),
                "key_hash": _hash("'sign' || g") + " || " + _hash("'hash' || g"),
                "name": "'Agreement ' || g",
                "status": "s.status",
                "remote_id": f"CASE WHEN {is_out} THEN {_uuid('sign', 'g')} END",
                "requested_at": "s.at",
                "updated_at": "s.at + interval '2 days'",
                "accepted_at": f"CASE WHEN {is_out} THEN s.at END",
                "completed_at": "CASE WHEN s.status = 'completed' THEN s.at + "
                "interval '2 days' END",
                "poll_at": "CASE WHEN s.status IN ('sent', 'viewed') THEN now() END",
                "requested_by_id": f"CASE WHEN g % 2 = 0 THEN {self._person()} END",
            },
            f"SELECT g, {render} AS render, {status} AS status, {at} AS at",
        )
        self._insert(
            SignatureRecipient,
            2 * total,
            {
                "id": "g",
                "request_id": "(g + 1) / 2",
                "position": "g % 2",
                "first_name": "(ARRAY['Anna','Ben','Clara'])[1 + g % 3]",
                "last_name": "'Name ' || g % 9973",
                "email": "(ARRAY['anna','ben','clara'])[1 + g % 3] || '.' || g % 9973 || "
                "'@example.org'",
                "signed_at": "CASE WHEN g % 3 > 0 THEN now() END",
            },
            "SELECT g",
        )

    def changes(self) -> None:
        total = 2 * self.size.renders
        said = pick(
            spread("g", total, 7919), total, {"": 0, "done": 0.45, "abandoned": 0.0, "due": 0.0}
        )
        self._insert(
            Change,
            total,
            {
                "id": "g",
                "kind": "'render'",
                "object_id": "(g + 1) / 2",
                "from_status": "CASE WHEN g % 2 = 1 THEN 'pending' ELSE 'queued' END",
                "to_status": "CASE WHEN g % 2 = 1 THEN 'queued' ELSE 'succeeded' END",
                "cause": "CASE WHEN g % 2 = 1 THEN 'answer' ELSE 'webhook' END",
                "created_at": f"now() - {YEARS} + ({YEARS}) * (g::float8 / {total})",
                "person_id": f"CASE WHEN g % 50 = 0 THEN {self._person()} END",
                "signal": "CASE WHEN s.said <> '' THEN 'render_succeeded' ELSE '' END",
                "announcement": "s.said",
                "receivers": "CASE WHEN s.said = 'abandoned' THEN jsonb_build_object("
                "'shop.receivers.hear', jsonb_build_object('attempts', 8, 'error', "
                "'ValueError: no such order', 'abandoned', true)) "
                "WHEN s.said = 'done' THEN '{}' END",
            },
            f"SELECT g, {said} AS said",
        )

    def deliveries(self) -> None:
        total = self.size.deliveries
        status = pick(
            spread("g", total, 7919),
            total,
            {"processed": 0, "ignored": 0.01, "failed": 0.0, "abandoned": 0.0, "received": 0.0},
        )
        event = pick(
            spread("g", total, 104_729),
            total,
            {
                "render.succeeded": 0,
                "document.viewed": 0.4,
                "render.failed": 0.01,
                **{f"document.{kind}": 0.01 for kind in EngagementEvent.Type if kind != "viewed"},
            },
        )
        render = f"(1 + g * {self.size.renders}::bigint / {total + 1})"
        body = (
            "jsonb_build_object('event', s.event, 'renderId', s.about, 'status', 'succeeded', "
            "'createdAt', s.at, 'completedAt', s.at, 'errorMessage', NULL)"
        )
        self._insert(
            WebhookDelivery,
            total,
            {
                "id": "g",
                "project": "CASE WHEN g % 5 = 0 THEN 'eu' ELSE 'default' END",
                "delivery_id": _uuid("delivery", "g"),
                "event": "s.event",
                "about": "s.about",
                "status": "s.status",
                # What is older has been dropped by now.
                "body": f"CASE WHEN s.status <> 'processed' OR s.at > now() - interval '30 days' "
                f"THEN convert_to(({body})::text, 'UTF8') ELSE ''::bytea END",
                "body_hash": "encode(sha256(s.about::text::bytea), 'hex')",
                "error": "CASE WHEN s.status IN ('failed', 'abandoned') "
                "THEN 'The event names no document.' ELSE '' END",
                "received_at": "s.at",
                "processed_at": "CASE WHEN s.status IN ('processed', 'ignored') THEN s.at END",
                "due_at": "CASE WHEN s.status IN ('received', 'failed') "
                "THEN now() + interval '1 hour' END",
                "attempts": "CASE WHEN s.status = 'abandoned' THEN 8 ELSE 1 END",
            },
            f"SELECT g, {status} AS status, {event} AS event, "
            f"{_uuid('render', render)} AS about, "
            f"now() - {YEARS} + ({YEARS}) * (g::float8 / {total}) AS at",
        )

    def events(self) -> None:
        total, shares = self.size.events, self.size.shares
        much = min(READ, total // (4 * MUCH_READ))
        kind = pick(
            spread("g", total, 7919),
            total,
            {"viewed": 0, **{k: 0.03 for k in EngagementEvent.Type if k != "viewed"}},
        )
        # Few links are opened often, most now and then.
        part = f"power({spread('g', total, 104_729)}::float8 / {total}, 2.5)"
        share = f"(1 + floor({part} * {shares - 1}))::bigint"
        is_much_read = f"(g % ({total} / {much}) < {MUCH_READ})"
        render = (
            f"(CASE WHEN {is_much_read} THEN {self.size.renders // 2} + g % ({total} / {much}) "
            f"ELSE 1 + (s.share - 1) * {max(self.size.renders - UNDER_WAY, 1)}::bigint / {shares} "
            "END)"
        )
        by_recipient = f"(NOT {is_much_read} AND s.kind = 'viewed')"
        browsers = ", ".join(f"'{name}'" for name in BROWSERS)
        self._insert(
            EngagementEvent,
            total,
            {
                "id": "g",
                "event_id": f"CASE WHEN g <= {total - LEAST} THEN {_uuid('event', 'g')} END",
                "render_id": render,
                "project": f"CASE WHEN {render} % 5 = 0 THEN 'eu' ELSE 'default' END",
                "share_remote_id": f"CASE WHEN {by_recipient} THEN {_uuid('share', 's.share')} END",
                "type": "s.kind",
                "actor": f"CASE WHEN {by_recipient} THEN 'recipient' "
                "WHEN s.kind LIKE 'share%' OR s.kind LIKE 'email%' THEN 'system' "
                "ELSE 'partner' END",
                "ip_address": "('203.0.' || g % 256 || '.0')::inet",
                "user_agent": f"(ARRAY[{browsers}])[1 + g % {len(BROWSERS)}]",
                "occurred_at": f"now() - {YEARS} + ({YEARS}) * (g::float8 / {total})",
            },
            f"SELECT g, {kind} AS kind, {share} AS share",
            chunk=2 * CHUNK,
        )

    def jobs(self) -> None:
        later = "now() + interval '2 hours'"
        manager: Any = Job.objects.using(self.using)
        under_way = Render.objects.using(self.using).under_way().values_list("pk", flat=True)
        pending = Share.objects.using(self.using).filter(status=Share.Status.PENDING)
        due = Change.objects.using(self.using).filter(announcement=Change.Announcement.DUE)
        wanted: dict[str, Sequence[int]] = {
            "render": list(under_way),
            "share": list(pending.values_list("pk", flat=True)[:LEAST]),
            "email": list(pending.values_list("pk", flat=True)[:LEAST]),
            "engagement": list(range(1, LEAST + 1)),
            "announce render": sorted(set(due.values_list("object_id", flat=True)[:LEAST])),
        }
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT {later}")
            (moment,) = cursor.fetchone()
        made = manager.bulk_create(
            Job(kind=kind, object_id=pk, project="eu" if pk % 5 == 0 else "default", due_at=moment)
            for kind, pks in wanted.items()
            for pk in pks
        )
        self.made["jobs"] = len(made)

    def projects(self) -> None:
        states = ProjectState.objects.using(self.using)
        states.bulk_create(ProjectState(project=project) for project in ("default", "eu"))
        self.made["projects"] = 2

    def finish(self) -> None:
        self.bar.end("sequences, VACUUM, ANALYZE")
        with self.connection.cursor() as cursor:
            for sql in self.connection.ops.sequence_reset_sql(no_style(), list(MIRRORED)):
                cursor.execute(sql)
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
            cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
            (size,) = cursor.fetchone()
        rows = ", ".join(f"{number:,} {name}" for name, number in self.made.items())
        self.bar.end(f"{rows}; {size} in {self.bar.spent:.0f} s")

    def _insert(
        self,
        model: type[models.Model],
        total: int,
        columns: dict[str, str],
        source: str,
        *,
        chunk: int = CHUNK,
    ) -> None:
        """Insert the rows 1 to ``total``; columns that aren't named have their default."""
        name = str(model._meta.verbose_name_plural)
        values = {column: _literal(sql) for column, sql in columns.items()}
        constants = []
        for column in model._meta.concrete_fields:
            if column.attname in columns or column.null or column.has_db_default():
                continue
            values[column.attname] = "%s"
            constants.append(column.get_db_prep_save(column.get_default(), self.connection))
        names = ", ".join(f'"{column}"' for column in values)
        statement = (
            f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(values.values())} "
            f"FROM ({_literal(source)} FROM generate_series(%s::bigint, %s) AS g) AS s ORDER BY g"
        )
        indexes = model._meta.indexes
        with self.connection.schema_editor(atomic=False) as editor:
            # To build them afterwards takes a third of the time.
            for index in indexes:
                editor.remove_index(model, index)
            with self.connection.cursor() as cursor:
                for start in range(1, total + 1, chunk):
                    end = min(start + chunk - 1, total)
                    cursor.execute(statement, [*constants, start, end])
                    self.bar.advance(end - start + 1, name)
            for index in indexes:
                self.bar.advance(0, f"{name}: {index.name}")
                editor.add_index(model, index)
        self.made[name] = total

    def _person(self) -> str:
        return f"{self.first_person} + g % {PEOPLE}"

    def _type_of(self, model: type[models.Model]) -> int:
        return int(ContentType.objects.db_manager(self.using).get_for_model(model).pk)


def _literal(sql: str) -> str:
    return sql.replace("%", "%%")


def _hash(text: str) -> str:
    return f"md5({text})"


def _uuid(kind: str, number: str) -> str:
    return f"md5('{kind}' || {number})::uuid"


class Progress:
    """How far it is, how fast, and for how long yet, on stderr."""

    WIDTH = 30

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.began = self._shown = time.monotonic()

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began

    def advance(self, by: int, doing: str) -> None:
        self.done += by
        now = time.monotonic()
        # A terminal is told at once, a log now and then.
        if now - self._shown < (0.2 if sys.stderr.isatty() else 15):
            return
        self._shown = now
        rate = self.done / max(self.spent, 0.001)
        left = (self.total - self.done) / max(rate, 1)
        bar = ("█" * (self.WIDTH * self.done // self.total)).ljust(self.WIDTH, "░")
        self._write(f"{bar} {self.done:,} of {self.total:,}, {rate:,.0f}/s, {left:.0f} s: {doing}")

    def end(self, text: str) -> None:
        self._write(text)
        if sys.stderr.isatty():
            sys.stderr.write("\n")

    def _write(self, text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{text}")
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
