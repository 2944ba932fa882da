"""The texts that say where people sign, looked up in the document before it is sent, and billed.

What was found is written on the request before anything is decided by it, so that a worker that
dies here looks no second time. Whatever goes wrong with the check, it stops no request.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django_craftkit import conf
from django_craftkit.client import CraftkitError
from django_craftkit.clock import database_now
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger
from django_craftkit.models import SignatureRequest
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.pdf import reading
from django_craftkit.pdf.anchors import Answer, Finding, cannot_tell, look_for
from django_craftkit.projects import get_client
from django_craftkit.reconcile.renders.states import remote_id_of
from django_craftkit.reconcile.results import Paused, result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = get_logger(__name__)


def is_to_be_prepared(request: SignatureRequest) -> bool:
    """Whether more may have to be done for a request's anchors than to send it."""
    return _is_due(request) or refusal(request) is not None


def prepare(request: SignatureRequest) -> bool:
    """Look a request's anchors up where that is due, and note on it what was found.

    Raises what pauses the project. ``False``: the request is another's by now.
    """
    if not _is_due(request):
        return True
    texts = [tag["anchorString"] for tag in request.anchor_tags]
    findings = _find(request, texts)
    request.anchors_checked_at = database_now()
    request.anchor_findings = [asdict(finding) for finding in findings]
    rows = SignatureRequest.objects.writer().filter(pk=request.pk, sent_at=None, erased_at=None)
    return bool(
        rows.filter(status=request.Status.PENDING, attempt=request.attempt).update(
            anchors_checked_at=request.anchors_checked_at,
            anchor_findings=request.anchor_findings,
        )
    )


def refusal(request: SignatureRequest) -> Problem | None:
    """Return why a request is not sent: its document has no such texts, and settings say so."""
    is_unsaid = request.check_anchors is False or request.sent_at is not None
    if is_unsaid or conf.check_anchors() != "refuse":
        return None
    missing = {
        finding["text"]
        for finding in request.anchor_findings or ()
        if finding["answer"] == Answer.MISSING
    }
    wanted = [
        tag["anchorString"] for tag in request.anchor_tags if not tag.get("ignoreIfNotPresent")
    ]
    refused = [text for text in dict.fromkeys(wanted) if text in missing]
    return Problem(ErrorCode.ANCHORS_MISSING, ", ".join(refused)) if refused else None


def _is_due(request: SignatureRequest) -> bool:
    """Whether a request's anchors are to be looked up before it is sent for the first time."""
    return (
        bool(request.anchor_tags)
        and request.sent_at is None
        and request.anchors_checked_at is None
        and request.check_anchors is not False
        and conf.check_anchors() != "off"
        and reading.is_available()
    )


def _find(request: SignatureRequest, texts: Sequence[str]) -> list[Finding]:
    try:
        return look_for(texts, _read(request))
    except time_limits():
        raise
    except reading.Unreadable as error:
        logger.info("The PDF for signature request %s can't be read: %s", request.pk, error)
    except CraftkitError as error:
        if isinstance(result_of(error), Paused):
            raise
        logger.warning("The PDF for signature request %s was not got: %s", request.pk, error)
    except Exception:
        # A disk that is full, or a mistake of ours: to send without a look is what was asked for.
        logger.exception("The anchors of signature request %s could not be checked.", request.pk)
    return cannot_tell(texts)


def _read(request: SignatureRequest) -> list[str]:
    renders = get_client(request.project, max_retries=0).renders
    with tempfile.TemporaryFile() as file:
        with renders.download(remote_id_of(request.render)) as download:
            source: Any = download
            shutil.copyfileobj(source, file)
        file.seek(0)
        return reading.read_pages(file)
