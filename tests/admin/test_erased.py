"""What was erased is shown as that, and nothing can be done with it any more."""

from __future__ import annotations

from typing import Any

import pytest

from django_craftkit.models import ArchivedFile, Render, SignatureRequest
from tests.admin.conftest import address, make_event, make_render, make_request, make_share

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(db: None) -> list[Any]:
    render = make_render(key="of Jane", remote_id="01a22b7b-b9ed-773f-8190-0db7ae49a5eb")
    share = make_share(render, "rejected", recipient_email="jane@example.com")
    asked = make_request(render, "completed", remote_id="01a22b7b-b9ed-773f-8190-0db7ae49a5ec")
    make_event(render, user_agent="Jane's browser")
    Render.objects.all().erase(archive=True)
    for row in (render, share, asked):
        row.refresh_from_db()
    return [render, share, asked]


def test_pages_and_lists_say_that_it_was_erased(boss, rows):
    for row in rows:
        page = boss.shows(address(type(row), "change", row.pk))
        assert "erased" in page
        assert "Jane" not in page.replace("Jane's", "Jane")
        assert "erased" in boss.shows(address(type(row)))
    render = rows[0]
    page = boss.shows(address(Render, "change", render.pk))
    assert f"#{render.pk}" in page
    assert "Erased on " in page


@pytest.mark.parametrize("name", ["pdf", "retry", "share", "email", "sign", "withdraw"])
def test_a_document_offers_nothing_that_needs_its_data(boss, rows, name):
    page = boss.shows(address(Render, "change", rows[0].pk))
    assert address(Render, name, rows[0].pk) not in page


def test_links_and_requests_offer_none_either(boss, rows):
    _render, share, asked = rows
    assert "/retry/" not in boss.shows(address(type(share), "change", share.pk))
    page = boss.shows(address(SignatureRequest, "change", asked.pk))
    assert not [name for name in ("signed", "certificate") if f"/{asked.pk}/{name}/" in page]
    assert ArchivedFile.objects.filter(name="").count() == 3


@pytest.mark.parametrize("name", ["pdf", "retry"])
def test_an_old_page_is_told_that_it_was_erased(boss, rows, name):
    Render.objects.update(status="failed")
    path = address(Render, name, rows[0].pk)
    response = boss.get(path, follow=True) if name == "pdf" else boss.post(path, follow=True)
    (message,) = response.context["messages"]
    assert message.level_tag == "error"
