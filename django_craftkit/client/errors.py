"""The errors of the client: one tree, closed by default, that carries no key and no request data.

Source: https://docs.craftkit.dev/api-reference/errors
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, NoReturn, TypedDict, Unpack

from django_craftkit.log import one_line
from django_craftkit.untrusted import Json, loads

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY_LIMIT: Final = 2_000
"""Characters of an answer that an error keeps."""

# 503s in which Craftkit says itself that it did nothing.
NOT_HANDLED: Final = frozenset(
    {"queue_unavailable", "email_not_configured", "signatures_unavailable"}
)
# Request Timeout, Misdirected Request, Too Early.
_OF_THE_MOMENT: Final = frozenset({408, 421, 425})
# Fields that open a document, a session or a project to anyone who reads them.
LINKS: Final = frozenset(
    {"downloadurl", "pollurl", "sharetoken", "sessiontoken", "iframeurl", "renewtoken", "apikey"}
)

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)
_DEEPEST = 32


class Facts(TypedDict, total=False):
    """What is known of the call, as `CraftkitError` describes it."""

    status: int | None
    code: str
    maybe_handled: bool | None
    retry_after: float | None
    method: str
    path: str
    body: Json


class CraftkitError(Exception):
    """Something went wrong between us and Craftkit. The base of every error of the client.

    Attributes:
        message: what is wrong, in words.
        status: the HTTP status; None if no answer came.
        code: Craftkit's stable error code, `""` if it sent none.
        maybe_handled: False only where the failure proves that Craftkit acted on the call in none
            of its tries, if it was Craftkit that answered: see `proves_inaction`. Says nothing of
            calls that act on nothing (GET).
        retry_after: seconds that Craftkit asks to wait, up to 3,600, or None.
        method: of the call; `""` if it belongs to no call.
        path: of the call, without its host and query; `""` if it belongs to no call.
        body: what Craftkit answered: parsed JSON if it was JSON of up to 2,000 characters, else
            the first 2,000 characters; None if nothing.
    """

    message: str = "The call to Craftkit failed."
    maybe_handled: bool = True

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str = "",
        maybe_handled: bool | None = None,
        retry_after: float | None = None,
        method: str = "",
        path: str = "",
        body: Json = None,
    ) -> None:
        super().__init__(message)
        if message:
            self.message = message
        if maybe_handled is not None:
            self.maybe_handled = maybe_handled
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.method = method
        self.path = path
        self.body = body

    def __str__(self) -> str:
        answer = f"{self.status or ''} {self.code}".strip()
        call = f"{self.method} {self.path}".strip()
        where = ", ".join(part for part in (answer, call) if part)
        return f"{self.message} ({where})" if where else self.message

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    @property
    def in_log(self) -> str:
        """What logs say of it: the answer's status and code, the call, and no words of Craftkit's.

        Those may quote what was sent, and be about people.
        """
        parts = (type(self).__name__, str(self.status or ""), self.code, self.method, self.path)
        return " ".join(filter(None, parts))

    @property
    def is_passing(self) -> bool:
        """Whether a refusal decides nothing: it is about this moment (408, 421, 425), or lacks the
        code that all of Craftkit's have. A proxy's page, say.
        """
        is_refusal = self.status is not None and 400 <= self.status < 500 and self.status != 429
        return is_refusal and (self.status in _OF_THE_MOMENT or not self.code)

    @property
    def is_outage(self) -> bool:
        """Whether the same call may well succeed later: nobody answered, or not for now."""
        return self.is_passing

    @property
    def proves_inaction(self) -> bool:
        """Whether Craftkit did not act, proven by itself or by a connection that was not made."""
        return not (self.maybe_handled or self.is_passing)


class CraftkitConnectionError(CraftkitError):
    """No whole answer came: refused, cut, not found in DNS, not trusted."""

    message = "The connection to Craftkit failed."
    is_outage = True


class CraftkitTimeout(CraftkitConnectionError):
    """Craftkit took longer than the client's `timeout`, or than somebody waits for it."""

    message = "Craftkit did not answer in time."


class AuthenticationError(CraftkitError):
    """401: the key is missing, unknown, revoked, or belongs to another environment or API; the
    session or its renew token is over.

    Attributes:
        fingerprint: `Secret.fingerprint` of the key or token that was refused; `""` if it belongs
            to no call.
        called_at: when the call began, by `time.monotonic()`.
    """

    message = "Craftkit does not accept the API key or token."
    maybe_handled = False
    fingerprint: str = ""
    called_at: float = 0.0


class PermissionDenied(CraftkitError):
    """403: the project of the key is gone or suspended, or the session may not do this."""

    message = "Craftkit refuses this to the project or session."
    maybe_handled = False


class NotFound(CraftkitError):
    """404: not in the project of this key."""

    message = "Craftkit knows nothing at this address in the project of the API key."
    maybe_handled = False


class Conflict(CraftkitError):
    """409: not in this state (`no_published_version`, `not_ready`, `slug_conflict`, `conflict`)."""

    message = "Craftkit can't do this in the present state."
    maybe_handled = False


class InvalidRequest(CraftkitError):
    """400, 413, 415, 422 and every 4xx that has no class of its own: what we sent is at fault.

    Attributes:
        field_errors: what Craftkit says of each field, by its dotted path or its top-level name.
            May quote the data that were sent, therefore it is no part of `str()`.
        form_errors: what it says of the whole.
    """

    message = "Craftkit does not accept what was sent."
    maybe_handled = False

    def __init__(
        self,
        message: str = "",
        *,
        field_errors: dict[str, list[str]] | None = None,
        form_errors: list[str] | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(message, **facts)
        self.field_errors = field_errors or {}
        self.form_errors = form_errors or []

    def __str__(self) -> str:
        names = ", ".join(one_line(name, 60) for name in list(self.field_errors)[:5])
        more = ", …" if len(self.field_errors) > 5 else ""
        return super().__str__() + (f" Fields: {names}{more}" if names else "")


class InvalidData(InvalidRequest, ValueError):
    """Refused on this side, nothing was sent: NaN, a naive `expires_at`, an unknown type."""

    message = "This can't be sent to Craftkit."


class InvalidSignatureRequest(InvalidData):
    """Refused on this side: a signature request beyond what Craftkit takes; nothing was sent.

    Attributes:
        field: what is wrong, as it is called here: `recipients[1].email`, `anchor_tags[0].type`.
    """

    message = "This is no signature request that Craftkit takes."

    def __init__(self, message: str = "", *, field: str = "", **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.field = field


class RateLimited(CraftkitError):
    """429: too many calls; `retry_after` says when to come back, if Craftkit said so."""

    message = "Craftkit asks for fewer calls."
    maybe_handled = False
    is_outage = True


class CreditsExhausted(CraftkitError):
    """402: the project has used up its credits (`signature_credits_exhausted`)."""

    message = "The Craftkit project has no credits left."
    maybe_handled = False


class ServerError(CraftkitError):
    """5xx: Craftkit, or a proxy before it, failed."""

    message = "Craftkit failed."
    is_outage = True


class InvalidResponse(CraftkitError):
    """An answer that is not what the contract says: no JSON, a wrong shape, a redirect."""

    message = "Craftkit's answer can't be understood."


_NO_ADDRESS: Final = "This is no address of Craftkit's API: it answered with"
_BY_STATUS: Final[Mapping[int, type[CraftkitError]]] = {
    401: AuthenticationError,
    402: CreditsExhausted,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}


def from_answer(status: int, text: str, /, **facts: Unpack[Facts]) -> CraftkitError:
    """The error that an answer with a status of 300 or more means, whatever its body is.

    Reads the nested envelope, the flat one, and bodies that are neither.
    """
    try:
        parsed = parse(text)
    except ValueError:
        parsed = None
    code, message, issues = _envelope(parsed)
    facts |= {"status": status, "code": code, "body": presentable(text)}
    if 400 <= status < 500:
        kind = _BY_STATUS.get(status, InvalidRequest)
        if status == 404 and parsed is None and text:
            message = f"{_NO_ADDRESS} a page. Is base_url right?"
        if kind is InvalidRequest:
            named, whole = _issues(issues)
            return InvalidRequest(message, field_errors=named, form_errors=whole, **facts)
        return kind(message, **facts)
    if status >= 500:
        facts["maybe_handled"] = status != 503 or code.lower() not in NOT_HANDLED
        return ServerError(message, **facts)
    if 300 <= status < 400:
        message = f"{_NO_ADDRESS} a redirect, which is never followed. Is base_url right?"
        return InvalidResponse(message, **facts)
    return InvalidResponse("Craftkit answered with a status that has no meaning here.", **facts)


def parse(text: str | bytes) -> Json:
    """Strict JSON: also refuses NaN, Infinity and what nests too deep.

    A number that Python can't hold is its digits, a text: it spoils nothing else.

    Raises:
        ValueError: it is not JSON.
    """
    return loads(text, parse_constant=_refuse, parse_float=_fraction)


def presentable(text: str) -> Json:
    """An answer as `CraftkitError.body` keeps it: short, and without links to documents."""
    if not text:
        return None
    looks_like_json = text.lstrip()[:1] in ("{", "[")
    if len(text) <= BODY_LIMIT:
        try:
            return without_links(parse(text))
        except ValueError:
            pass
    # Half an object may still hold a whole link, and can't be searched for it.
    return None if looks_like_json and _mentions_links(text) else text[:BODY_LIMIT]


def is_link(name: str) -> bool:
    """Whether a field of this name opens a document, in camelCase or snake_case."""
    return name.replace("_", "").lower() in LINKS


def _mentions_links(text: str) -> bool:
    plain = text.replace("_", "").lower()
    # A backslash may spell a name in a way that this search does not see.
    return "\\" in plain or "shareurl" in plain or any(name in plain for name in LINKS)


def without_links(value: object, depth: int = _DEEPEST) -> Json:
    """A JSON value without the links in it that open a document.

    Raises:
        ValueError: it is nested too deeply to be searched.
    """
    if depth < 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {
            name: without_links(item, depth - 1)
            for name, item in value.items()
            if not is_link(name) and name != "shareUrl"
        }
    if isinstance(value, list):
        return [without_links(item, depth - 1) for item in value]
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _fraction(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _envelope(parsed: object) -> tuple[str, str, object]:
    """Code, message and issues of an error body; empty where there are none."""
    if not isinstance(parsed, dict):
        return "", "", None
    error = parsed.get("error")
    inner = error if isinstance(error, dict) else parsed
    code, message = inner.get("code"), inner.get("message")
    issues = inner.get("issues", parsed.get("issues"))
    if isinstance(error, str):
        # The flat form: a code, or in careless places a sentence.
        if _CODE.fullmatch(error):
            code = error
        elif not isinstance(message, str):
            message = error
    code = code if isinstance(code, str) and _CODE.fullmatch(code) else ""
    return code, one_line(message, 300) if isinstance(message, str) else "", issues


def _issues(issues: object) -> tuple[dict[str, list[str]], list[str]]:
    if not isinstance(issues, dict):
        return {}, []
    fields = issues.get("fieldErrors")
    named = fields.items() if isinstance(fields, dict) else ()
    return {name: _texts(value) for name, value in named}, _texts(issues.get("formErrors"))


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
