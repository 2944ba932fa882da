"""Embed sessions in Python: what a test sees, ends, and does for who fills in a form."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .core import forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .core.renders import Render
    from .core.sessions import EmbedSession
    from .core.state import State


class EmbedControls:
    """The part of `Sandbox` that is about embed sessions."""

    state: State

    @property
    def embed_sessions(self) -> list[EmbedSession]:
        """All embed sessions, in the order in which they were minted."""
        with self.state.lock:
            return list(self.state.sessions)

    def expire_embed_session(self, session_id: str, seconds: float = 0.0) -> EmbedSession:
        """Let the tokens of a session end, as time would; it can be renewed.

        Args:
            session_id: as the API gave it.
            seconds: from now, at the latest; a page that is opened meanwhile counts with it.

        Raises:
            ValueError: no such session.
        """
        with self._session(session_id) as session:
            self.state.sessions.expire(session, seconds)
        return session

    def revoke_embed_session(self, session_id: str) -> EmbedSession:
        """End a session: its tokens open nothing, and it can't be renewed.

        Args:
            session_id: as in `expire_embed_session`.

        Raises:
            ValueError: no such session.
        """
        with self._session(session_id) as session:
            session.active = False
        return session

    def submit_form(self, session_id: str, data: Mapping[str, object]) -> Render | None:
        """Submit the form of a session, whether its tokens have ended or not.

        Args:
            session_id: as in `expire_embed_session`.
            data: what is filled in over the prefill; keys may be dotted.

        Returns:
            The render, or None if the data are only collected.

        Raises:
            ValueError: no such session, or none to fill in; it was revoked, or its project embeds
                no more; the template does not take the data.
        """
        with self._session(session_id) as session:
            if not session.active or not self.state.embeds(session.project):
                raise ValueError("this session was revoked, or its project embeds no more")
            forms.check_mode(session)
            submission = forms.submit(self.state, session, data, {})
            self.state.settle()
        return submission.render

    @contextmanager
    def _session(self, session_id: str) -> Iterator[EmbedSession]:
        with self.state.lock:
            session = self.state.sessions.find(str(session_id))
            if session is None:
                raise ValueError(f"no such embed session: {session_id}")
            yield session
