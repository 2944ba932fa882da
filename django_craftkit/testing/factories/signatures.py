"""Signature requests, and who is to sign them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django_craftkit import client
from django_craftkit.database import in_transaction
from django_craftkit.models import ArchivedFile, Change, Job, SignatureRequest
from django_craftkit.models.arguments import hash_key
from django_craftkit.reconcile import archive
from django_craftkit.reconcile.signatures import states
from django_craftkit.reconcile.states import RemoteState
from django_craftkit.reconcile.updates import Update
from django_craftkit.signing import AnchorTag, Recipient
from django_craftkit.testing.moments import as_text

from .base import (
    at_moment,
    check_status,
    keep_file,
    new_id,
    numbers,
    set_columns,
    settle,
)
from .documents import render_factory

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from django_craftkit.models import Render

Status = SignatureRequest.Status


def signature_request_factory(
    render: Render | None = None,
    recipients: Sequence[Recipient] = (),
    *,
    status: str = "sent",
    signed: Collection[str] = (),
    name: str = "",
    reason: str = "Not now.",
    error: str = "Refused.",
    error_code: str = "invalid_request",
    key: str | None = None,
    at: datetime | None = None,
    save: bool = True,
    **columns: Any,
) -> SignatureRequest:
    """Return a signature request in any state, with its recipients.

    Args:
        render: its document; None: a new one that is ready.
        recipients: who is to act; none: one signer.
        status: one of ``SignatureRequest.Status``. All have signed a ``completed`` one, and its
            signed PDF and certificate are kept: each is an empty page. The next to act has declined
            a ``declined`` one.
        signed: the addresses of who has signed, of one that is ``viewed``, or ended otherwise.
        name: what the recipients read.
        reason: why it was declined, or cancelled.
        error: why it failed, or was rejected.
        error_code: Craftkit's code, of a rejected one.
        key: its key; None: a new one.
        at: when all of it happened; None: now.
        save: whether it is written, with its recipients, jobs and history; without them otherwise.
        columns: other columns as they are to be: ``requested_by=`` …

    Raises:
        ValueError: there is no such status; a document that isn't ready was sent to nobody.
    """
    status = check_status(status, SignatureRequest)
    number = next(numbers)
    people = list(recipients) or [Recipient("Ada", "Byron", f"signer-{number}@example.com")]
    render = render_factory("agreement", at=at, save=save) if render is None else render
    if status not in (Status.PENDING, Status.REJECTED) and render.status != "succeeded":
        raise ValueError(f"{render} is {render.status}: no request for it can be {status}.")
    key = f"request-{number}" if key is None else key
    with at_moment(at) as now:
        said = _Said(status, people, set(signed), name, reason, error, error_code, now)
        if save:
            return _saved(render, said, key, {"updated_at": now, **columns})
        request = SignatureRequest(render=render, project=render.project, name=name, key=key)
        request.key_hash = hash_key(key)
        if status != Status.PENDING:
            request.sent_at = request.sending_since = now
            states.update(request, [], said.state(people=False))
        set_columns(request, **{"updated_at": now, **columns})
        return request


class _Said:
    """What Craftkit says of a request."""

    def __init__(
        self,
        status: str,
        people: list[Recipient],
        signed: set[str],
        name: str,
        reason: str,
        error: str,
        error_code: str,
        now: datetime,
    ) -> None:
        self.status, self.people, self.name, self.now = status, people, name, now
        self.reason, self.error, self.error_code = reason, error, error_code
        acting = [one for one in people if one.designation != "CC"]
        is_completed = status == Status.COMPLETED
        self.signed = {one.email for one in acting if is_completed or one.email in signed}
        left = [one.email for one in acting if one.email not in self.signed]
        self.declined = set(left[:1]) if status == Status.DECLINED else set()
        self._id = new_id()
        self._ids = [f"rcp_{new_id()}" for _ in people]

    def state(self, status: str | None = None, *, people: bool = True) -> RemoteState:
        """Return it at its end, or at an earlier ``status``."""
        status = status or self.status
        if status == Status.REJECTED:
            return RemoteState(status, error=self.error, error_code=self.error_code)
        is_end = status == self.status
        message = {Status.FAILED: self.error, Status.CANCELLED: self.reason}.get(Status(status))
        said: dict[str, Any] = {
            "id": self._id,
            "name": self.name,
            "status": status,
            "recipients": [self._recipient(place, is_end) for place in range(len(self.people))]
            if people
            else [],
            "errorMessage": message,
            "createdAt": as_text(self.now),
            "completedAt": as_text(self.now) if status == Status.COMPLETED else None,
        }
        state = states.state_of(client.SignatureRequest.from_json(said))
        has_reason = status in (Status.DECLINED, Status.CANCELLED) and self.reason
        if not has_reason:
            return state
        # Only a webhook says it.
        return replace(state, answer={**state.answer, "reason": self.reason})

    def _recipient(self, place: int, is_end: bool) -> dict[str, Any]:
        one = self.people[place]
        said = {
            "id": self._ids[place],
            "firstName": one.first_name,
            "lastName": one.last_name,
            "email": one.email,
            "designation": one.designation,
            "order": one.order or place + 1,
        }
        if is_end and one.email in self.signed:
            said["signedAt"] = as_text(self.now)
        if is_end and one.email in self.declined:
            said["declinedAt"] = as_text(self.now)
        return said


@in_transaction
def _saved(render: Render, said: _Said, key: str, columns: dict[str, Any]) -> SignatureRequest:
    signers = [place for place, one in enumerate(said.people) if one.designation != "CC"]
    tags = [AnchorTag(f"[[sign {place}]]", "signature", recipient=place) for place in signers]
    request = render.send_for_signature(said.people, anchor_tags=tags, name=said.name, key=key)
    done = [] if said.status == Status.PENDING else [Job.Kind.SEND_SIGNATURE]
    if said.status != Status.PENDING:
        columns = {"sent_at": said.now, "sending_since": said.now, **columns}
        is_refused = said.status == Status.REJECTED
        _apply(request, said.state(None if is_refused else Status.SENT), Change.Cause.ANSWER)
    if said.status == Status.CANCELLED:
        request.cancel(reason=said.reason)
    if said.status not in (Status.PENDING, Status.REJECTED, Status.SENT):
        is_cancelled = said.status == Status.CANCELLED
        _apply(request, said.state(), Change.Cause.ANSWER if is_cancelled else Change.Cause.POLL)
        done += [Job.Kind.POLL_OR_CANCEL, Job.Kind.ARCHIVE_SIGNATURE]
    if said.status == Status.COMPLETED:
        request.refresh_from_db()
        for what in (ArchivedFile.Kind.SIGNED, ArchivedFile.Kind.CERTIFICATE):
            keep_file(what, request)
        archive.announce(request, Change.Kind.SIGNATURE)
    settle(request, Change.Kind.SIGNATURE, done, **columns)
    request.render = render
    return request


def _apply(request: SignatureRequest, state: RemoteState, cause: Change.Cause) -> None:
    states.REQUESTS.apply_one(Update(request, state, cause))
