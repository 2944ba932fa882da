"""Claims: whoever takes a row gets it, and counts what it begins."""

from __future__ import annotations

import json
import uuid

import pytest
from django.utils import timezone

from django_craftkit.models import Job, WebhookDelivery
from django_craftkit.reconcile import deliveries
from tests.seams import claim, process_webhooks

#: Every column that a claim changes, and what a queryset may say of it before.
FILTERS = {
    "attempts": {"attempts__lt": 3},
    "no attempts": {"attempts": 2},
    "no lease": {"leased_until": None},
    "no token": {"lease_token": None},
    "project and kind": {"project": "default", "kind": "render"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_a_claim_returns_what_it_took_whatever_it_filters_by(filters):
    now = timezone.now()
    for number in range(3):
        Job.objects.create(
            kind="render", object_id=number, project="default", due_at=now, attempts=2
        )
    claimed = claim(Job.objects.filter(**filters), 2, now=now)
    assert [job.object_id for job in claimed] == [0, 1]
    rows = Job.objects.filter(lease_token__isnull=False).order_by("pk")
    assert [job.lease_token for job in rows] == [job.lease_token for job in claimed]
    assert [job.attempts for job in rows] == [job.attempts for job in claimed] == [3, 3]


@pytest.mark.django_db
@pytest.mark.parametrize("tries", range(deliveries.SUSPECT))
def test_each_try_of_a_webhook_is_made(tries):
    WebhookDelivery.objects.store("default", str(uuid.uuid4()), json.dumps({"event": "x"}).encode())
    WebhookDelivery.objects.update(attempts=tries)
    assert process_webhooks(timezone.now()) == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("ignored", tries + 1)
