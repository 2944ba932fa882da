"""From a request to what the transport has to do: faults, routes, keys, the lock, the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from . import api, control, pages
from .api.health import degraded
from .control.access import PREFIX, admit
from .core.errors import Refusal
from .core.state import LoggedRequest
from .http import hosts
from .http.answers import refused, unreadable
from .http.call import Call, SandboxRequest
from .http.doors import enter
from .http.routing import Route, url_map
from .pages.frame import not_found_page, proxy_page, redirect_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from wsgiref.types import WSGIEnvironment

    from .core.faults import Fault
    from .core.state import State

logger = logging.getLogger("django_craftkit.sandbox")

_URL_MAP = url_map([*api.ROUTES, *pages.ROUTES, *control.ROUTES])

# Where Craftkit answers errors in the flat envelope.
_FLAT: Final = ("/v1/embed", "/v1/admin")

# What Craftkit's API host answers itself. All else there is led to its web site (section 0).
_API: Final = ("/v1", "/health", "/api/auth")
# The web site that it is led to, on the same address here: guests, signers, mails, forms and the
# builder, files, control.
_PAGES: Final = ("/share", "/sign", "/mail", "/embed", "/files", PREFIX)


@dataclass(frozen=True)
class Answer:
    """What a transport has to do: wait `delay` seconds, then answer, or lose the connection.

    `lost` is `cut`, `refused` or `connect_timeout`, and empty when there is a response.
    """

    response: Response | None
    delay: float = 0.0
    lost: str = ""


class Service:
    """Answers requests from a state."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer_for_host(self, environ: WSGIEnvironment) -> Answer:
        """As `answer`, for calls that come over a socket, where anybody's page may call."""
        try:
            hosts.check(environ, self.state.public_url)
        except Refusal as refusal:
            request = SandboxRequest(environ)
            request.get_data()
            logger.warning("%s refused: its Host is another's", _named(request))
            return Answer(refused(refusal))
        return self.answer(environ)

    def answer(self, environ: WSGIEnvironment) -> Answer:
        """What to answer, faults included; waits for nothing and closes nothing."""
        request = SandboxRequest(environ)
        # First of all, so that no answer, however early, leaves half a request in the pipe.
        request.get_data()
        if request.path == "/" or _is_below(request.path, [PREFIX]):
            return Answer(self._handle(request))
        delay, fault = self.state.faults.for_call(request.method, request.path)
        answer = self._answer_wrongly(request, fault) if fault else Answer(self._handle(request))
        status = answer.response.status_code if answer.response else None
        with self.state.lock:
            self.state.requests.append(LoggedRequest(request.method, request.logged_path, status))
        logger.info("%s %s", _named(request), status or answer.lost)
        if delay is None:
            return answer
        return Answer(answer.response, answer.delay + delay.seconds, answer.lost)

    def _answer_wrongly(self, request: SandboxRequest, fault: Fault) -> Answer:
        match fault.kind:
            case "cut_before":
                return Answer(None, lost="cut")
            case "cut_after":
                self._handle(request)
                return Answer(None, lost="cut")
            case "refused":
                return Answer(None, lost="refused")
            case "connect_timeout":
                return Answer(None, fault.seconds, lost="connect_timeout")
            case "truncated":
                return Answer(_half(self._handle(request)))
        if fault.handled:
            self._handle(request)
        if fault.kind == "garbage":
            return Answer(proxy_page(fault.status or 502, fault.body))
        if fault.body is not None:
            response = Response(fault.body, fault.status or 500)
        elif fault.code == "degraded" and request.path == "/v1/health":
            response = degraded()
        else:
            response = refused(
                Refusal(fault.code, fault.message),
                status=fault.status or 500,
                flat=_is_below(request.path, _FLAT),
            )
        if fault.retry_after is not None:
            response.headers["Retry-After"] = str(fault.retry_after)
        return Answer(response)

    def _handle(self, request: SandboxRequest) -> Response:
        flat = _is_below(request.path, _FLAT)
        try:
            route, values = _URL_MAP.bind("craftkit").match(request.route, request.method)
        except NotFound:
            if _is_below(request.path, _API):
                return refused(Refusal("not_found", "No such endpoint."), flat=flat)
            if _is_below(request.path, _PAGES):
                return not_found_page()
            # Without a host, so that nobody is led away from the sandbox.
            return redirect_page(f"{PREFIX}/")
        except MethodNotAllowed as error:
            refusal = Refusal("method_not_allowed", "Method not allowed.")
            response = refused(refusal, flat=flat)
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response
        try:
            return self._run(route, request, values)
        except Refusal as refusal:
            return refused(refusal, status=route.statuses.get(refusal.code), flat=flat)
        except HTTPException as error:
            # A page that says why there is no other, or what can't be read of a body.
            if error.response is None and _is_below(request.path, _API):
                return refused(unreadable(error), flat=flat)
            return Response.force_type(error.get_response())
        except Exception:
            # A sandbox that breaks answers as a service that breaks, and shows where.
            logger.exception("%s broke the sandbox", _named(request))
            return refused(Refusal("internal", "Unexpected server error."), flat=flat)

    def _run(self, route: Route, request: SandboxRequest, values: Mapping[str, object]) -> Response:
        with self.state.lock:
            self.state.settle()
            call = Call(request, self.state, *enter(self.state, request, route.door))
            if route.door == "control":
                admit(call)
            result = route.handler(call, **values)
            self.state.settle()
        return result if isinstance(result, Response) else result()


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _named(request: SandboxRequest) -> str:
    """Method and path on one line, whatever characters they are made of."""
    text = f"{request.method} {request.logged_path}"
    return text if text.isprintable() else ascii(text)


def _half(response: Response) -> Response:
    body = response.get_data()
    # An iterator: werkzeug leaves the Content-Length of one as it is.
    half = Response(
        iter([body[: len(body) // 2]]), response.status_code, content_type=response.content_type
    )
    half.headers.extend(
        (name, value)
        for name, value in response.headers
        if name.lower() not in {"content-type", "content-length"}
    )
    half.headers["Content-Length"] = str(len(body))
    return half
