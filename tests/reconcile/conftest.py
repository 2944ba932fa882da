from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_craftkit.models import ArchivedFile, Job, SignatureRequest
from django_craftkit.models.signature import ARCHIVE
from django_craftkit.projects import get_client
from django_craftkit.reconcile.loop import Loop
from django_craftkit.sandbox import certificate as papers
from django_craftkit.signing import AnchorTag, Recipient
from tests import helpers
from tests.reconcile.archives import archive_later

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.client import Craftkit


@pytest.fixture
def dashboard(craftkit) -> Craftkit:
    """Craftkit's own dashboard, where somebody does things that no row here knows of."""
    return get_client()


@pytest.fixture
def work(craftkit, monkeypatch) -> Callable[..., int]:
    """Carry out what is due now: time stands still meanwhile, however slow the machine."""

    def work(threads: int = 8) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(craftkit, "_standing", craftkit._now())
            return Loop(threads=threads, wake=None).run()

    return work


@pytest.fixture
def completed(craftkit, ready) -> SignatureRequest:
    """A request that everybody has signed, whose files nobody has fetched yet."""
    request = ready.send_for_signature(
        [Recipient("José", "García", "jose@example.com")],
        anchor_tags=[AnchorTag("{{sign}}", "signature")],
    )
    craftkit.run()
    craftkit.sandbox.sign_all(craftkit.sandbox.signatures[0].id)
    while not Job.objects.filter(kind=ARCHIVE).exists():
        craftkit.deliver()
        archive_later(helpers.work)
    request.refresh_from_db()
    assert request.status == "completed"
    assert not ArchivedFile.objects.exists()
    return request


@pytest.fixture(autouse=True)
def _quick_papers(monkeypatch) -> None:
    """Have Craftkit's signed PDFs and certificates without their fonts: half a second each."""
    for name in ("signed", "certificate"):
        paper = b"%%PDF-1.7\n%% %s " % name.encode()
        monkeypatch.setattr(papers, name, lambda request, paper=paper: paper + request.id.encode())


@pytest.fixture
def long_papers(monkeypatch, _quick_papers) -> None:
    """Papers of which a part is a part."""
    for name in ("signed", "certificate"):
        paper = b"%%PDF-1.7\n%% %s " % name.encode() + bytes(range(256)) * 10
        monkeypatch.setattr(papers, name, lambda request, paper=paper: paper + request.id.encode())
