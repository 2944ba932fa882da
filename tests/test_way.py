"""The whole way once."""

from __future__ import annotations

from django_craftkit.models import Change, Job, Render, Share, WebhookDelivery
from tests.shop.models import Order


def test_an_event_becomes_a_document_and_a_link(craftkit):
    order = Order.objects.create(number="A-1", total=42, confirmed=True)
    order.lines.create(text="Saved after its parent")
    render = Render.objects.get()
    assert (render.status, render.source, craftkit.renders) == ("pending", order, [])

    craftkit.run()

    render.refresh_from_db()
    assert render.status == "succeeded"
    assert craftkit.renders[0].data["lines"] == [{"text": "Saved after its parent"}]
    assert render.open().read(5) == b"%PDF-"
    share = render.share(key="guest")
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "active"
    assert share.url.startswith("http://craftkit.sandbox/share/")
    share.revoke()
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "revoked"
    assert not Job.objects.exists()
    assert WebhookDelivery.objects.filter(status="processed").exists()
    assert [c.to_status for c in Change.objects.filter(kind="render")] == ["queued", "succeeded"]
    assert Share.objects.count() == 1
