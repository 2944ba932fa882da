"""Forms: what a delivery says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from django_craftkit.client import FormSubmission, InvalidResponse
from tests.client.conftest import RENDER

from .helpers import SESSION, SUBMITTED


def test_a_form_that_was_sent_is_read() -> None:
    submission = FormSubmission.from_webhook(SUBMITTED | {"new": 1})
    assert (submission.event, submission.session_id) == ("form.submitted", UUID(SESSION))
    assert (submission.template_slug, submission.template_version) == ("e-charterparty", 6)
    assert submission.render_id is None
    assert submission.data == {"customer": {"name": "Acme Corp"}, "amount": 42}
    assert submission.submitted_at == datetime(2026, 6, 5, 11, tzinfo=UTC)
    assert submission.extra == {"new": 1}


def test_a_form_may_have_made_a_document() -> None:
    submission = FormSubmission.from_webhook(SUBMITTED | {"renderId": RENDER})
    assert submission.render_id == UUID(RENDER)


def test_a_form_does_not_show_what_was_filled_in() -> None:
    shown = repr(FormSubmission.from_webhook(SUBMITTED | {"signedBy": "Acme Corp"}))
    assert "Acme" not in shown
    with pytest.raises(InvalidResponse) as caught:
        FormSubmission.from_webhook(SUBMITTED | {"data": ["Acme Corp"]})
    assert "Acme" not in str(caught.value)
