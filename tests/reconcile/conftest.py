from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from django_craftkit.models import (
    ArchivedFile,
    Job,
    Render,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.models.arguments import hash_key
from django_craftkit.projects import get_client
from django_craftkit.reconcile.loop import Loop
from django_craftkit.sandbox.core.pdf import signatures as papers
from django_craftkit.signing import AnchorTag, Recipient
from tests.reconcile.batches import Batch
from tests.reconcile.resources import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.client import Craftkit


@pytest.fixture
def dashboard(craftkit) -> Craftkit:
    """Craftkit's own dashboard, where somebody does things that no row here knows of."""
    return get_client()


@pytest.fixture
def target(request, resource) -> Render | None:
    """The document that something is requested of; none where it is the document."""
    return None if resource is DOCUMENT else request.getfixturevalue("ready")


@pytest.fixture
def silent(craftkit) -> None:
    """From here on no webhook ever comes."""
    craftkit.sandbox.faults.add("webhook_dropped", times=None)


@pytest.fixture
def documents(craftkit, silent) -> Callable[[int], list[Render]]:
    """Make so many documents that are ready."""

    def documents(number: int) -> list[Render]:
        made = [Render.objects.request("invoice", {}, key=uuid4().hex) for _ in range(number)]
        craftkit.run()
        craftkit.pass_time(5)
        craftkit.run()
        for render in made:
            render.refresh_from_db()
            assert render.status == "succeeded"
        return made

    return documents


@pytest.fixture
def work(craftkit, monkeypatch) -> Callable[..., int]:
    """Carry out what is due now: time stands still meanwhile, however slow the machine."""

    def work(threads: int = 8) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(craftkit, "_standing", craftkit._now())
            return Loop(threads=threads, wake=None).run()

    return work


@pytest.fixture
def batch(craftkit, monkeypatch, documents, work) -> Batch:
    return Batch(craftkit, monkeypatch, documents, work)


@pytest.fixture
def completed(craftkit, dashboard) -> SignatureRequest:
    """A request that everybody has signed, whose files nobody has fetched yet.

    Its rows are those of a worker that has sent it: how that goes is the business of other tests.
    """
    guest, tag = Recipient("José", "García", "jose@example.com"), AnchorTag("{{sign}}", "signature")
    rendered = dashboard.renders.render("invoice", {"number": "1"}, idempotency_key="i-1")
    craftkit.pass_time(5)
    sent = dashboard.signatures.create(
        rendered.id, [guest], anchor_tags=[tag], idempotency_key="s-1"
    )
    craftkit.sandbox.sign_all(sent.id)
    render = Render.objects.create(
        template="invoice",
        key="i-1",
        key_hash=hash_key("i-1"),
        data={"number": "1"},
        status="succeeded",
        remote_id=rendered.id,
    )
    request = SignatureRequest.objects.create(
        render=render,
        key="s-1",
        key_hash=hash_key("s-1"),
        status="sent",
        remote_id=sent.id,
        anchor_tags=[tag.as_json()],
    )
    SignatureRecipient.objects.create(
        request=request, position=0, first_name="José", last_name="García", email=guest.email
    )
    request.refresh(wait=True)
    assert request.status == "completed"
    assert Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE).object_id == request.pk
    assert not ArchivedFile.objects.exists()
    return request


@pytest.fixture(autouse=True)
def _quick_papers(quick_papers) -> None:
    """Their bytes are the business of the sandbox's own tests."""


@pytest.fixture
def long_papers(monkeypatch, _quick_papers) -> None:
    """Papers of which a part is a part."""
    for name in ("signed", "certificate"):
        paper = b"%%PDF-1.7\n%% %s " % name.encode() + bytes(range(256)) * 10
        monkeypatch.setattr(papers, name, lambda request, paper=paper: paper + request.id.encode())
