"""What docs/api.md has curl say, and what it says is answered; and its tables."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User

from django_craftkit.api import errors
from django_craftkit.api.urls import router
from tests.api.test_permissions import TABLE, routes
from tests.docs import pages

pytestmark = pytest.mark.django_db

PAGE = "docs/api.md"
NAMES = {"pk": "{id}", "slug": "{slug}"}
HOST = "http://127.0.0.1:8000"


def curl(client: Any, words: list[str]) -> Any:
    """Return what curl would be answered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-u", dest="user")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-o", dest="output")
    parser.add_argument("--json")
    parser.add_argument("url")
    given = parser.parse_args(words)
    assert given.url.startswith(f"{HOST}/api/craftkit/")
    user, _, password = given.user.partition(":")
    client.force_login(User.objects.get(username=user))
    assert client.login(username=user, password=password)
    parts = urlsplit(given.url)
    return client.generic(
        given.method or ("POST" if given.json else "GET"),
        f"{parts.path}?{parts.query}",
        given.json or "",
        content_type="application/json",
        headers=dict(header.split(": ", 1) for header in given.headers),
    )


def part_of(answer: Any, told: Any) -> Any:
    """Return of an answer what the page tells of it."""
    if isinstance(told, dict) and isinstance(answer, dict):
        return {name: part_of(answer.get(name, ...), inner) for name, inner in told.items()}
    if isinstance(told, list) and isinstance(answer, list) and len(told) == len(answer):
        return [part_of(*both) for both in zip(answer, told, strict=True)]
    return answer


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_curl_is_answered_as_it_is_told(craftkit, client):
    User.objects.create_superuser("boss", password="secret")
    expected: Any = None
    answered = 0
    for block in pages.blocks("bash", "json"):
        if pages.name_of(block.page) != PAGE:
            continue
        if block.language == "json":
            assert expected is not None
            told = json.loads(block.text)
            assert part_of(expected, told) == told, str(block)
            answered += 1
            craftkit.run()
            continue
        words = shlex.split(block.text)
        assert words[0] == "curl"
        response = curl(client, words[1:])
        if "-o" in words:
            assert b"".join(response.streaming_content).startswith(b"%PDF-")
            continue
        expected = response.json()
    assert answered == 6


def test_every_route_is_told_with_its_permission():
    told = {
        name: row["permission"].strip("`")
        for name, row in pages.table(PAGE, "method and route", "permission", "does").items()
    }
    patterns = {
        name: re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda key: NAMES[key[1]], pattern).strip("^$")
        for name, pattern in routes().items()
    }
    assert told == {
        f"{method.upper()} {patterns[name]}": f"craftkit.{right}"
        for (method, name), right in TABLE.items()
    }


def test_every_filter_is_told():
    told = {
        name.strip("/"): set(re.findall(r"`(\w+)`", row["filters"]))
        for name, row in pages.table(PAGE, "list", "filters").items()
    }
    assert told == {
        prefix: set(viewset.filterset_class.base_filters) for prefix, viewset, _ in router.registry
    }


def test_every_code_of_ours_is_told():
    rows = pages.table(PAGE, "status", "codes", "means").values()
    told = {code for row in rows for code in re.findall(r"`(\w+)`", row["codes"])}
    own = {one.default_code for one in (errors.AnotherBody, errors.TooLarge, errors.Unavailable)}
    sources = (pages.ROOT / "django_craftkit" / "api").glob("*.py")
    own |= {
        code
        for path in sources
        for code in re.findall(r'Conflict\(_\("[^"]+"\), "(\w+)"\)', path.read_text())
    }
    assert own <= told
    assert {"withdrawn", "not_ready", "ended"} <= own
