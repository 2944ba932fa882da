"""Tests of the project's own, with the kit."""

from __future__ import annotations

from django.test import TestCase

from django_craftkit.models import Render, SignatureRequest
from django_craftkit.signing import AnchorTag, Recipient
from django_craftkit.testing import Kit

from .models import Order

ADA = Recipient("Ada", "Byron", "ada@example.com")


class InvoiceTests(TestCase):
    def setUp(self) -> None:
        self.craftkit = self.enterContext(Kit())

    def test_an_invoice_is_rendered(self) -> None:
        Render.objects.request("invoice", {"total": 42})
        self.craftkit.run()
        self.assertEqual(self.craftkit.renders[0].data, {"total": 42})


def test_an_agreement(craftkit: Kit, order: Order) -> None:
    craftkit.put_template("agreement", {"variables": [], "loops": []})
    craftkit.sandbox.render_time = 60
    craftkit.sandbox.faults.add("cut_after", path="*/render")
    render = Render.objects.request("agreement", {}, source=order)
    share = render.email("ada@example.com", message="Here you are.")
    request = render.send_for_signature([ADA], anchor_tags=[AnchorTag("[[here]]", "signature")])
    craftkit.run()
    craftkit.pass_time(90)
    (mail,) = craftkit.outbox
    assert mail.to == "ada@example.com"
    assert craftkit.open(mail).status_code == craftkit.open(share).status_code == 200
    craftkit.sign(SignatureRequest.objects.for_object(order).get())
    craftkit.decline(request, "ada@example.com", reason="Too expensive")
    assert craftkit.renders[0].pdf().startswith(b"%PDF-")
    render.refresh_from_db()
    assert render.counts["email_opened"] == 1
