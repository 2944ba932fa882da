"""No exception leaves the client with a frame, or with an object, that leads to the key."""

from __future__ import annotations

import http.client
import types
from typing import TYPE_CHECKING, Any

import pytest
import requests
from celery.exceptions import SoftTimeLimitExceeded
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from django_craftkit.client import Craftkit, CraftkitError, CraftkitHook, Secret, retry

from .conftest import KEY, RENDER, Serve, answers, failing
from .test_download import IS_PDF, PDF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADERS = {"Authorization": f"Bearer {KEY}"}


class Laden(Exception):
    """A project's own exception, which keeps what it came upon."""

    __slots__ = ("slot",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.request = requests.Request("GET", "https://craftkit.test", headers=HEADERS).prepare()
        self.headers = dict(HEADERS)
        self.all: list[Any] = [self.headers, (self.request,)]
        self.text = repr(HEADERS)
        self.slot = self.request
        self.number = 7


class Frozen(Laden):
    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, "number"):
            raise AttributeError("frozen")
        super().__setattr__(name, value)


def chained() -> BaseException:
    error = RuntimeError("it went wrong")
    error.__cause__ = Laden("below")
    return error


def no_attribute() -> BaseException:
    laden = requests.Request("GET", "https://craftkit.test", headers=HEADERS).prepare()
    return AttributeError("no such thing", name="thing", obj=laden)


RAISED: dict[str, Callable[[], BaseException]] = {
    "time limit": lambda: SoftTimeLimitExceeded(30),
    "interrupt": KeyboardInterrupt,
    "exit": lambda: SystemExit(Laden()),
    "generator exit": GeneratorExit,
    "memory": MemoryError,
    "network": lambda: requests.exceptions.ConnectionError(Laden("no")),
    "ours": lambda: CraftkitError("no", body=dict(HEADERS)),
    "chained": chained,
    "laden": lambda: Laden("no", HEADERS),
    "frozen": lambda: Frozen("no", HEADERS),
    "text": lambda: ValueError(f"a header like {HEADERS}"),
    "bytes": lambda: UnicodeDecodeError("ascii", repr(HEADERS).encode(), 0, 1, "no"),
    "attribute": no_attribute,
    "group": lambda: BaseExceptionGroup("two", [Laden("no"), KeyboardInterrupt(), chained()]),
}


def shown(value: Any, depth: int = 2) -> Iterator[str]:
    """What an error tracker may show of a value: its repr, and those of what is in it."""
    yield repr(value)
    if not depth:
        return
    items = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, dict):
        items += [*value, *value.values()]
    elif isinstance(value, list | tuple | set):
        items += value
    for item in items:
        yield from shown(item, depth - 1)


def everything(error: BaseException, seen: set[int] | None = None) -> Iterator[str]:
    """What an error tracker may show of an exception, of all behind it, and of every frame."""
    seen = set() if seen is None else seen
    if id(error) in seen:
        return
    seen.add(id(error))
    yield from (str(error), repr(error))
    for name in dir(error):
        if not name.startswith("__") or name == "__notes__":
            yield from shown(getattr(error, name, None))
    trace = error.__traceback__
    while trace is not None:
        # A test knows the key, and is no part of the client.
        if not trace.tb_frame.f_code.co_name.startswith("test_"):
            for value in trace.tb_frame.f_locals.values():
                yield from shown(value)
        trace = trace.tb_next
    behind = [error.__cause__, error.__context__, *error.args]
    if isinstance(error, BaseExceptionGroup):
        behind += error.exceptions
    for one in behind:
        if isinstance(one, BaseException):
            yield from everything(one, seen)


class Places:
    """Where something can be raised, each by what it does to a client before a call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.adapter: Callable[[], HTTPAdapter] | None = None

    def preparing(self, make: Callable[[], BaseException]) -> None:
        class Adapter(HTTPAdapter):
            get_connection_with_tls_context = failing(make)

        self.adapter = Adapter

    def adapter_begins(self, make: Callable[[], BaseException]) -> None:
        class Adapter(HTTPAdapter):
            def send(self, request: Any, *args: Any, **options: Any) -> Any:
                headers, body = dict(request.headers), request.body
                assert KEY in f"{headers} {request.url} {body!r}"
                raise make()

        self.adapter = Adapter

    def adapter_ends(self, make: Callable[[], BaseException]) -> None:
        class Adapter(HTTPAdapter):
            def send(self, request: Any, *args: Any, **options: Any) -> Any:
                super().send(request, *args, **options)
                raise make()

        self.adapter = Adapter

    def header(self, make: Callable[[], BaseException]) -> None:
        put = http.client.HTTPConnection.putheader

        def fail(connection: Any, name: Any, *values: Any) -> Any:
            if name == "Authorization":
                raise make()
            return put(connection, name, *values)

        self._patch.setattr(http.client.HTTPConnection, "putheader", fail)

    def socket(self, make: Callable[[], BaseException]) -> None:
        self._patch.setattr(http.client.HTTPConnection, "send", failing(make))

    def answer(self, make: Callable[[], BaseException]) -> None:
        self._patch.setattr(http.client.HTTPResponse, "begin", failing(make))

    def cookies(self, make: Callable[[], BaseException]) -> None:
        self._patch.setattr(requests.sessions, "extract_cookies_to_jar", failing(make))

    def body(self, make: Callable[[], BaseException]) -> None:
        self._patch.setattr(HTTPResponse, "read", failing(make))

    def reading(self, make: Callable[[], BaseException]) -> None:
        """In a body of the adapter's own, which keeps the request."""

        def chunks(request: Any) -> Iterator[bytes]:
            raise make()
            yield b""

        class Adapter(HTTPAdapter):
            def send(self, request: Any, *args: Any, **options: Any) -> Any:
                response = super().send(request, *args, **options)
                raw: Any = types.SimpleNamespace(
                    stream=lambda *args, **options: chunks(request),
                    close=lambda: None,
                    release_conn=lambda: None,
                    _original_response=None,
                )
                response.raw = raw
                return response

        self.adapter = Adapter

    def pause(self, make: Callable[[], BaseException]) -> None:
        class Adapter(HTTPAdapter):
            send = failing(requests.exceptions.ReadTimeout)

        self.adapter = Adapter
        self._patch.setattr(retry, "sleep", failing(make))


PLACES = [name for name in vars(Places) if not name.startswith("_")]
#: By what is done, a call of a client with these options. Each of its secrets is the same.
CALLS: dict[str, Callable[..., Any]] = {
    "read": lambda **options: Craftkit(KEY, **options).renders.get(RENDER),
    "send": lambda **options: Craftkit(KEY, **options).emails.send(RENDER, "ada@example.com"),
    "download": lambda **options: Craftkit(KEY, **options).renders.download(RENDER).read(),
    "refresh": lambda **options: Craftkit("another", **options).embed.refresh_session(Secret(KEY)),
    "hook": lambda **options: CraftkitHook(KEY, KEY, **options).render({}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", RAISED.values(), ids=RAISED)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_key_is_in_no_frame(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    make: Callable[[], BaseException],
    call: Callable[..., Any],
) -> None:
    server = serve(answers(200, PDF, IS_PDF))
    places = Places(monkeypatch)
    getattr(places, place)(make)
    raised = None
    try:
        call(base_url=server.url, adapter=places.adapter, max_retries=1)
    except BaseException as error:
        raised = error
    # Not in its pause where nothing is tried again.
    assert raised is not None
    if not isinstance(raised, CraftkitError):
        assert type(raised) is type(make())
    for text in everything(raised):
        assert KEY not in text


@pytest.mark.parametrize("raised", sorted(RAISED.keys() - {"network", "ours"}))
def test_an_exception_keeps_what_a_developer_needs(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, raised: str
) -> None:
    make = RAISED[raised]
    Places(monkeypatch).answer(make)
    server = serve(answers(200, b"{}"))
    with pytest.raises(BaseException) as caught:
        Craftkit(KEY, base_url=server.url).renders.get(RENDER)
    assert type(caught.value) is type(make())
    plain = make()
    if all(isinstance(argument, str | int) for argument in plain.args):
        assert str(caught.value) == str(plain).replace(KEY, "[key]")
    if isinstance(plain, Laden):
        assert caught.value.number == 7  # type: ignore[attr-defined]
    (note,) = caught.value.__notes__
    assert failing.__code__.co_filename in note
    assert "in fail" in note


def test_what_the_caller_is_handling_stays_as_it_is(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    Places(monkeypatch).answer(KeyboardInterrupt)
    server = serve(answers(200, b"{}"))
    own = ValueError("the caller's own")
    with pytest.raises(KeyboardInterrupt) as caught:
        handle(own, lambda: Craftkit(KEY, base_url=server.url).renders.get(RENDER))
    assert caught.value.__context__ is own
    assert own.__traceback__ is not None


def handle(error: Exception, act: Callable[[], Any]) -> None:
    try:
        raise error
    except ValueError:
        act()


def test_who_holds_a_download_holds_no_key(serve: Serve) -> None:
    server = serve(answers(200, PDF, IS_PDF))
    with Craftkit(KEY, base_url=server.url).renders.download(RENDER) as download:
        for text in shown(download, 4):
            assert KEY not in text
