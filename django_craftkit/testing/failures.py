"""What goes wrong between this site and Craftkit, when a test wants it to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from django_craftkit.sandbox.http.answers import STATUSES

if TYPE_CHECKING:
    from django_craftkit.sandbox import Sandbox

How = Literal["error", "lost", "timeout", "down"]

#: An id in a path: a ``*`` would take what is below it, too.
_ID: Final = "?" * 36

#: The calls that can fail, by their names in the client, as method and path.
CALLS: Final = {
    "*": ("*", "/v1/*"),
    "renders.render": ("POST", "/v1/templates/*/render"),
    "renders.get": ("GET", f"/v1/renders/{_ID}"),
    "renders.download": ("GET", f"/v1/renders/{_ID}/download"),
    "shares.create": ("POST", f"/v1/renders/{_ID}/shares"),
    "shares.list": ("GET", f"/v1/renders/{_ID}/shares"),
    "shares.revoke": ("DELETE", f"/v1/renders/{_ID}/shares/{_ID}"),
    "emails.send": ("POST", f"/v1/renders/{_ID}/email"),
    "engagement.read": ("GET", f"/v1/renders/{_ID}/engagement"),
    "engagement.track": ("POST", f"/v1/renders/{_ID}/events"),
    "signatures.create": ("POST", "/v1/signatures"),
    "signatures.list": ("GET", "/v1/signatures"),
    "signatures.get": ("GET", f"/v1/signatures/{_ID}"),
    "signatures.cancel": ("POST", f"/v1/signatures/{_ID}/cancel"),
    "signatures.signed_pdf": ("GET", f"/v1/signatures/{_ID}/download"),
    "signatures.certificate": ("GET", f"/v1/signatures/{_ID}/certificate"),
    "templates.list": ("GET", "/v1/templates"),
    "templates.get": ("GET", "/v1/templates/*"),
    "embed.create_session": ("POST", "/v1/embed/sessions"),
    "embed.refresh_session": ("POST", "/v1/embed/sessions/refresh"),
}

_KINDS: Final = {"lost": "cut_after", "timeout": "delay", "down": "refused"}
#: Seconds that no ``TIMEOUT`` is as long as.
_FOR_EVER: Final = 86_400.0


class Failures:
    """The part of the kit that makes things go wrong."""

    sandbox: Sandbox

    def fail_next(
        self,
        call: str = "*",
        *,
        how: How = "error",
        code: str | None = None,
        status: int | None = None,
        message: str = "Failed by the test.",
        retry_after: int | None = None,
        times: int | None = 1,
    ) -> None:
        """Have the next calls to Craftkit fail.

        Args:
            call: which, by its name in the client: ``renders.render``, ``emails.send`` …; ``*``:
                whichever comes next.
            how: ``error``: Craftkit refuses, and has done nothing; ``lost``: it has done it, and
                the answer is lost; ``timeout``: it has done it, and answers too late; ``down``: it
                can't be reached.
            code: Craftkit's code of the error, such as ``not_found``; None: what goes with
                ``status``.
            status: the HTTP status; None: that of the code, 500 without one.
            message: Craftkit's words.
            retry_after: seconds that Craftkit asks to wait.
            times: how many calls fail; None: all, until ``recover()``.

        Raises:
            ValueError: there is no such call, way or status; an answer that is lost has no code.
        """
        if call not in CALLS:
            raise ValueError(f"call= is {call!r}: write one of {', '.join(CALLS)}.")
        if how not in get_args(How):
            raise ValueError(f"how= is {how!r}: write one of {', '.join(get_args(How))}.")
        if how != "error" and (code, status, retry_after) != (None, None, None):
            raise ValueError(f"how={how!r} is no answer: leave code, status and retry_after out.")
        method, path = CALLS[call]
        if how != "error":
            self.sandbox.faults.add(
                _KINDS[how], method=method, path=path, times=times, seconds=_FOR_EVER
            )
            return
        if status is None:
            status = _status_of(code)
        self.sandbox.faults.add(
            "status",
            method=method,
            path=path,
            times=times,
            status=status,
            code=code or _CODES.get(status, "internal"),
            message=message,
            retry_after=retry_after,
        )

    def fail_next_render(
        self,
        message: str = "Failed by the test.",
        *,
        template: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Have the next documents fail after Craftkit has accepted them.

        Args:
            message: why, in Craftkit's words.
            template: only those of this slug; None: of any.
            times: how many; None: all, until ``recover()``.
        """
        self.sandbox.faults.add("render_failed", message=message, template=template, times=times)

    def recover(self) -> None:
        """Have nothing fail any more."""
        self.sandbox.faults.clear()


def _status_of(code: str | None) -> int:
    """Return the status that Craftkit answers a code with."""
    if code is None:
        return 500
    known = STATUSES | {known: status for status, known in _CODES.items()}
    if code not in known:
        raise ValueError(f"code= is {code!r}: say with which status= Craftkit answers it.")
    return known[code]


#: The code that goes with a status, where it is not "internal".
_CODES: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "document_too_large",
    429: "rate_limited",
    503: "queue_unavailable",
}
