"""What people do at Craftkit: guests open links and mails, signers sign, visitors fill in forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.database import database
from django_craftkit.embedding import Session
from django_craftkit.models import EmbedSession, Share, SignatureRequest
from django_craftkit.sandbox import SandboxAdapter

from .remote import RemoteRender, RemoteShare, RemoteSignatureRequest, SentEmail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Response

    from django_craftkit.sandbox import Sandbox
    from django_craftkit.sandbox import SignatureRequest as SandboxRequest

    AnyRequest = SignatureRequest | RemoteSignatureRequest

#: Where guests call from; an address that is nobody's.
GUEST = "203.0.113.7"


class People:
    """The part of the kit that stands in for guests, signers and visitors."""

    sandbox: Sandbox

    def open(self, what: Share | RemoteShare | SentEmail, *, ip: str = GUEST) -> Response:
        """Open the page of a link, or read an e-mail, as a guest does.

        Args:
            what: a link, here or at Craftkit, or an e-mail.
            ip: whose address Craftkit sees; it counts one guest once in five minutes.

        Returns:
            What the browser gets: 200; 410 where the link is revoked or has expired.

        Raises:
            ValueError: the link has not been made yet.
        """
        if isinstance(what, Share):
            what.refresh_from_db(using=database())
        if not what.url:
            raise ValueError(f"{what} has no link yet: let the worker run() first.")
        with SandboxAdapter(self.sandbox, ip).session() as browser:
            if isinstance(what, SentEmail):
                browser.get(f"{what.url}/pixel.png")
            return browser.get(what.url)

    def sign(self, request: AnyRequest, email: str | None = None) -> RemoteSignatureRequest:
        """Sign, or approve; the last signer completes the request.

        Args:
            request: here or at Craftkit.
            email: the signer's; None is all who have still to sign or approve.

        Returns:
            The request as Craftkit has it now.

        Raises:
            ValueError: there is nothing to sign.
        """
        there = self._there(request)
        if email is None:
            return RemoteSignatureRequest.of(self.sandbox.sign_all(there.id))
        return RemoteSignatureRequest.of(self.sandbox.sign(there.id, email))

    def decline(
        self, request: AnyRequest, email: str | None = None, reason: str = ""
    ) -> RemoteSignatureRequest:
        """Decline to sign.

        Args:
            request: here or at Craftkit.
            email: the signer's; None is the next one to act.
            reason: what they write.

        Returns:
            The request as Craftkit has it now.

        Raises:
            ValueError: nobody is left to sign.
        """
        there = self._there(request)
        return RemoteSignatureRequest.of(
            self.sandbox.decline(there.id, email or _next_of(there), reason or None)
        )

    def view(self, request: AnyRequest, email: str | None = None) -> RemoteSignatureRequest:
        """Open the signing page.

        Args:
            request: here or at Craftkit.
            email: the signer's; None is the next one to act.

        Returns:
            The request as Craftkit has it now.

        Raises:
            ValueError: nobody is left to sign.
        """
        there = self._there(request)
        return RemoteSignatureRequest.of(
            self.sandbox.view_signature(there.id, email or _next_of(there))
        )

    def submit_form(
        self, form: Session | EmbedSession | str, data: Mapping[str, object]
    ) -> RemoteRender | None:
        """Fill in an embedded form and submit it, as its visitor does.

        Args:
            form: what ``create_session`` returned, its row, or the slug of the template whose form
                was shown last.
            data: what is filled in over the prefill, by the template's keys.

        Returns:
            The document that Craftkit makes of it; None where the data are only collected.

        Raises:
            ValueError: no such form is shown, or it does not take the data.
        """
        if isinstance(form, str):
            session_id = self._form_of(form)
        else:
            session_id = str(form.id if isinstance(form, Session) else form.remote_id)
        made = self.sandbox.submit_form(session_id, data)
        return None if made is None else RemoteRender.of(made)

    def _form_of(self, template: str) -> str:
        """Return the id of the session that shows the form of a template, the newest first."""
        shown = [
            one.id
            for one in self.sandbox.embed_sessions
            if one.mode == "fill" and one.active and one.template().slug == template
        ]
        if not shown:
            raise ValueError(f"No form of {template!r} is shown: call create_session() first.")
        return shown[-1]

    def _there(self, request: AnyRequest) -> SandboxRequest:
        if isinstance(request, SignatureRequest):
            request.refresh_from_db(using=database())
            remote_id = str(request.remote_id)
        else:
            remote_id = request.id
        for one in self.sandbox.signatures:
            if one.id == remote_id:
                return one
        if isinstance(request, SignatureRequest) and request.remote_id is None:
            raise ValueError(f"{request} is {request.status}: let the worker run() first.")
        raise ValueError(f"This Craftkit has no signature request {remote_id}.")


def _next_of(request: SandboxRequest) -> str:
    """Return the address of who is to act next."""
    waiting = [one for one in request.recipients if one.acts and not one.acted]
    if not waiting:
        raise ValueError(f"nobody is left to sign: {request.status}")
    return min(waiting, key=lambda one: one.order).email
