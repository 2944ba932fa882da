"""Tests of the project's own, with the kit."""

from __future__ import annotations

from django.test import TestCase

from django_craftkit.models import Render, SignatureRequest
from django_craftkit.signing import AnchorTag, Recipient
from django_craftkit.testing import (
    CraftkitTestMixin,
    Kit,
    RemoteRecipient,
    RemoteRender,
    RemoteShare,
    RemoteSignatureRequest,
    SentEmail,
)
from django_craftkit.testing.factories import (
    batch_factory,
    engagement_event_factory,
    form_submission_factory,
    render_factory,
    share_factory,
    signature_request_factory,
)

from .models import Order

ADA = Recipient("Ada", "Byron", "ada@example.com")


class InvoiceTests(CraftkitTestMixin, TestCase):
    def test_an_invoice_is_rendered(self) -> None:
        Render.objects.request("invoice", {"total": 42})
        self.craftkit.run()
        found: list[RemoteRender] = self.craftkit.assert_rendered("invoice", data={"total": 42})
        self.assertEqual(found[0].data, {"total": 42})

    async def test_in_an_event_loop(self) -> None:
        number: int = await self.craftkit.arun()
        self.assertEqual(number, 0)


class OtherOrderTests(TestCase, CraftkitTestMixin):
    def test_nothing_is_rendered(self) -> None:
        self.assertEqual(self.craftkit.assert_rendered("invoice", count=0), [])


def test_an_agreement(craftkit: Kit, order: Order) -> None:
    craftkit.put_template("agreement", {"variables": [], "loops": []})
    craftkit.sandbox.render_time = 60
    craftkit.sandbox.faults.add("cut_after", path="*/render")
    craftkit.fail_next("renders.render", how="lost", times=2)
    craftkit.fail_next(code="template_not_found", status=404, message="None.", retry_after=3)
    craftkit.fail_next_render("Out of paper", template="invoice")
    craftkit.recover()
    render = Render.objects.request("agreement", {}, source=order)
    share = render.email("ada@example.com", message="Here you are.")
    request = render.send_for_signature([ADA], anchor_tags=[AnchorTag("[[here]]", "signature")])
    craftkit.run()
    craftkit.pass_time(90)
    mail: SentEmail
    (mail,) = craftkit.outbox
    assert mail.to == "ada@example.com"
    link: RemoteShare = mail.share
    assert link.expires_at is None or link.expires_at > link.created_at
    assert craftkit.open(mail).status_code == craftkit.open(share).status_code == 200
    craftkit.sign(SignatureRequest.objects.for_object(order).get())
    craftkit.decline(request, "ada@example.com", reason="Too expensive")
    assert craftkit.renders[0].pdf().startswith(b"%PDF-")
    render.refresh_from_db()
    assert render.counts["email_opened"] == 1


def test_what_craftkit_has(craftkit: Kit, order: Order) -> None:
    there: RemoteSignatureRequest = craftkit.signatures[0]
    people: tuple[RemoteRecipient, ...] = there.recipients
    assert people[0].signed_at is None
    document = craftkit.submit_form("delivery-note", {"parcels": 2})
    assert document is None or document.completed_at is not None
    answer = craftkit.webhook("document.viewed", craftkit.shares[0], body={"metadata": {}})
    assert answer.status_code == 200


def test_rows(order: Order) -> None:
    render = render_factory("invoice", {"number": order.number}, source=order, counts={})
    share = share_factory(render, by_mail=True)
    event = engagement_event_factory(share=share)
    request = signature_request_factory(render, [ADA], status="completed", signed={ADA.email})
    submission = form_submission_factory("delivery-note", {"parcels": 2}, source=order)
    batch = batch_factory(statuses=["succeeded", "failed"])
    assert batch.retry_failed() == 1
    assert (share.is_open, event.type, request.status) == (True, "viewed", "completed")
    assert submission.source == order
    with request.open_signed() as pdf:
        assert pdf.read(5) == b"%PDF-"
