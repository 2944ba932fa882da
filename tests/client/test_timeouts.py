"""No call takes longer than its timeout: by a clock that the test moves."""

from __future__ import annotations

import io
import types
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.util import Retry

from django_craftkit.client import Craftkit, CraftkitError, CraftkitTimeout, download, retry
from django_craftkit.client.deadline import Deadline, of_call, within

from .conftest import BASE, KEY, RENDER, Serve, answers, nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def client(url: str, **options: Any) -> Craftkit:
    return Craftkit(KEY, base_url=url, **({"timeout": 30.0, "max_retries": 0} | options))


def may_have_shared(craftkit: Craftkit) -> bool:
    """Make a link, for which no time is left; return whether Craftkit may have done so."""
    with pytest.raises(CraftkitTimeout) as caught:
        craftkit.shares.create(RENDER)
    return caught.value.maybe_handled


PAUSING: dict[str, tuple[dict[str, Any], list[float]]] = {
    # What the adapter's tries are like, and the pauses for which there is time.
    "growing": ({"backoff_factor": 2.0}, [4.0, 8.0, 16.0]),
    "too long": ({"backoff_factor": 100.0}, []),
    "asked for": ({"backoff_factor": 2.0, "retry_after": "13"}, [13.0, 13.0]),
    "asked for too long": ({"backoff_factor": 2.0, "retry_after": "31"}, []),
    "not listened to": (
        {"backoff_factor": 2.0, "retry_after": "31", "respect_retry_after_header": False},
        [4.0, 8.0, 16.0],
    ),
}


@pytest.mark.parametrize(("options", "made"), PAUSING.values(), ids=PAUSING)
def test_pauses_of_the_projects_own_adapter_end_by_the_timeout(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    now: list[float],
    pauses: list[float],
    options: dict[str, Any],
    made: list[float],
) -> None:
    monkeypatch.setattr(retry, "sleep", passing(now, pauses))
    said = {"retry_after": None} | options
    asked = said.pop("retry_after")
    server = serve(answers(503, b"{}", *([f"Retry-After: {asked}"] if asked else [])))
    retries = Retry(9, status_forcelist=[503], allowed_methods=None, **said)
    adapter = lambda: HTTPAdapter(max_retries=retries)  # noqa: E731
    craftkit = client(server.url, adapter=adapter, timeout=(3.0, 30.0))
    assert may_have_shared(craftkit) is True
    assert (pauses, now[0]) == (made, sum(made))


def test_a_pause_of_an_adapter_that_never_connects_proves_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, now: list[float], pauses: list[float]
) -> None:
    monkeypatch.setattr(retry, "sleep", passing(now, pauses))
    adapter = lambda: HTTPAdapter(max_retries=Retry(9, backoff_factor=2.0))  # noqa: E731
    craftkit = client(nobody(), adapter=adapter, timeout=30.0)
    assert may_have_shared(craftkit) is False
    assert pauses == [4.0, 8.0, 16.0]


class Slow(BaseAdapter):
    """Answers after some seconds of a clock, if it is given so long."""

    def __init__(self, now: list[float], answers: list[tuple[float, int, str | None]]) -> None:
        super().__init__()
        self.now, self.answers, self.calls = now, answers, 0

    def send(self, request: Any, timeout: Any = None, **options: Any) -> Any:
        seconds, status, asked = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        self.now[0] += min(seconds, timeout[1])
        if seconds > timeout[1]:
            raise requests.exceptions.ReadTimeout
        answer = requests.Response()
        answer.status_code = status
        answer.raw = io.BytesIO(b'{"error": {"code": "x", "message": "No."}}')
        if asked is not None:
            answer.headers["Retry-After"] = asked
        return answer

    def close(self) -> None:
        pass


def passing(now: list[float], pauses: list[float]) -> Callable[[float], None]:
    """A sleep by the clock of deadlines."""

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    return sleep


@given(
    whole=st.floats(0.1, 60),
    tries=st.integers(0, 9),
    answers=st.lists(
        st.tuples(
            st.floats(0, 70),
            st.sampled_from([404, 429, 500, 503]),
            st.none() | st.integers(0, 40).map(str),
        ),
        min_size=1,
    ),
    name=st.sampled_from(["get", "download"]),
)
def test_no_call_takes_longer_than_its_timeout_by_any_clock(
    whole: float, tries: int, answers: list[tuple[float, int, str | None]], name: str
) -> None:
    """With all of its tries, the pauses between them, and the second address of a download."""
    now, pauses = [0.0], list[float]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_craftkit.client.deadline.monotonic", lambda: now[0])
        patch.setattr(retry, "sleep", passing(now, pauses))
        slow = Slow(now, answers)
        craftkit = client(BASE, timeout=(3.05, whole), max_retries=tries, adapter=lambda: slow)
        with pytest.raises(CraftkitError):
            getattr(craftkit.renders, name)(RENDER)
    assert now[0] <= whole + 1e-6
    assert slow.calls <= 2 * (tries + 1)


def body(*chunks: bytes, now: list[float], seconds: float) -> requests.Response:
    """A PDF whose chunks take so long, each."""

    def stream(*args: Any, **options: Any) -> Iterator[bytes]:
        for chunk in chunks:
            now[0] += seconds
            yield chunk

    answer = requests.Response()
    answer.status_code = 200
    answer.headers["Content-Type"] = "application/pdf"
    raw: Any = types.SimpleNamespace(stream=stream, close=lambda: None)
    answer.raw = raw
    return answer


def test_a_download_begins_within_what_its_answer_has_left(now: list[float]) -> None:
    deadline = Deadline(10.0)
    now[0] += 8.0
    late = body(b"%PDF-".ljust(2_000), now=now, seconds=2.1)
    with pytest.raises(CraftkitTimeout):
        download.Download(late, "/v1/x", deadline=deadline).read()

    deadline = Deadline(10.0)
    now[0] += 8.0
    timely = body(b"%PDF-".ljust(2_000), bytes(1_000), now=now, seconds=1.9)
    assert len(download.Download(timely, "/v1/x", deadline=deadline).read()) == 3_000


def test_the_second_address_of_a_download_has_the_reserve_of_the_first(now: list[float]) -> None:
    with within(10.0):
        now[0] += 9.0
        assert (of_call(30.0).seconds, of_call(30.0).left()) == (10.0, 1.0)


def test_a_download_has_no_more_in_reserve_than_the_timeout(now: list[float]) -> None:
    """It has 10 s, and 50 kB are a second: what came fast in the beginning is no reserve."""

    def chunks(*args: Any, **options: Any) -> Iterator[bytes]:
        yield b"%PDF-".ljust(5_000_000)
        for _ in range(5):
            now[0] += 5.0  # of 10, of 9, of 8 …
            yield bytes(200_000)  # gives back 4 s
        now[0] += 5.1  # of 5
        yield bytes(200_000)

    answer = requests.Response()
    answer.status_code = 200
    answer.headers["Content-Type"] = "application/pdf"
    raw: Any = types.SimpleNamespace(stream=chunks, close=lambda: None)
    answer.raw = raw
    document = download.Download(answer, "/v1/x", deadline=Deadline(10.0))
    assert len(document.read(6_000_000)) == 6_000_000
    with pytest.raises(CraftkitTimeout):
        document.read(1)
