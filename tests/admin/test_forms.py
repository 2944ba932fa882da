"""Staff's pages of forms: data as a table, and what they belong to; no page renews a session."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import EmbedSession, FormSubmission
from tests.shop.models import Order

from .conftest import address, make_render, make_session, make_submission

pytestmark = pytest.mark.django_db


def test_data_are_a_table_of_their_paths(staff):
    data = {"customer": {"name": "<Ada>"}, "lines": [{"n": 1}, {"n": 2}], "agreed": True, "x": None}
    row = make_submission(data=data)
    page = staff("view_formsubmission").shows(address(FormSubmission, "change", row.pk))
    for path, text in (
        ("customer.name", "&lt;Ada&gt;"),
        ("lines[0].n", "1"),
        ("lines[1].n", "2"),
        ("agreed", "yes"),
        ("x", "–"),
    ):
        assert f"<code>{path}</code></th><td>{text}</td>" in page


def test_many_fields_are_cut_and_lead_to_the_whole(staff):
    row = make_submission(data={f"f{n}": n for n in range(1_000)})
    desk = staff("view_formsubmission")
    page = desk.shows(address(FormSubmission, "change", row.pk))
    assert "<code>f299</code>" in page
    assert "<code>f300</code>" not in page
    assert desk.get(address(FormSubmission, "raw", row.pk) + "?of=data").json() == row.data


def test_it_leads_to_its_document_and_its_session_as_far_as_they_may_be_seen(staff):
    render, session = make_render(), make_session()
    row = make_submission(render=render, session_id=session.remote_id)
    links = [
        f'href="/admin/craftkit/render/{render.pk}/change/"',
        f'href="/admin/craftkit/embedsession/{session.pk}/change/"',
    ]
    path = address(FormSubmission, "change", row.pk)
    plain = staff("view_formsubmission").shows(path)
    assert not any(link in plain for link in links)
    page = staff("view_formsubmission", "view_render", "view_embedsession").shows(path)
    assert all(link in page for link in links)


def test_lists_take_as_many_queries_for_many_as_for_one_and_look_for_no_session(staff):
    desk = staff("view_formsubmission", "view_embedsession", "view_render")

    def queries(model, *, more: int) -> list[str]:
        for _ in range(more):
            session = make_session(source=Order.objects.create(number=uuid.uuid4().hex))
            make_submission(
                source=session.source, session_id=session.remote_id, render=make_render()
            )
        with CaptureQueriesContext(connection) as seen:
            assert desk.get(address(model)).status_code == 200
        return [query["sql"] for query in seen]

    for model in (FormSubmission, EmbedSession):
        queries(model, more=1)  # what a process reads once
        few, many = queries(model, more=1), queries(model, more=30)
        assert len(few) == len(many)
        reads = any(EmbedSession._meta.db_table in sql for sql in many)
        assert reads == (model is EmbedSession)


def test_what_renews_a_session_is_on_no_page_and_found_by_no_search(staff):
    row = make_session(renew_token="ert_8sR2Xq", remote_id=uuid.uuid4())
    desk = staff("view_embedsession")
    for path in (
        address(EmbedSession),
        address(EmbedSession, "change", row.pk),
        address(EmbedSession, "history", row.pk),
    ):
        assert "ert_8sR2Xq" not in desk.shows(path)
    assert desk.get(address(EmbedSession, "raw", row.pk) + "?of=renew_token").status_code == 404
    assert "0 embed sessions" in desk.shows(address(EmbedSession) + "?q=ert_8sR2Xq")


def test_a_document_that_was_made_elsewhere_is_not_tried_again(staff):
    render = make_render("failed", adopted_at="2026-06-05T10:00Z")
    desk = staff("view_render", "retry_render")
    path = address(type(render), "retry", render.pk)
    assert path not in desk.shows(address(type(render), "change", render.pk))
    assert desk.post(path).status_code == 302
    render.refresh_from_db()
    assert (render.status, render.attempt) == ("failed", 1)


def test_a_document_that_was_made_elsewhere_says_so(staff):
    render = make_render("succeeded", adopted_at="2026-06-05T10:00Z")
    desk = staff("view_render")
    for path in (address(type(render)), address(type(render), "change", render.pk)):
        assert "made elsewhere" in desk.shows(path)
