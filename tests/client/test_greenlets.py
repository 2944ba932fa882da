"""The same deadlines where greenlets stand in the place of threads."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from .conftest import KEY, RENDER
from .dripping import (
    OK,
    Peer,
    Script,
    certificate,
    drips,
    half_a_record,
    never_shakes_hands,
    secured,
    sips,
    well,
)

#: Long enough for a machine that has much else to do.
SECONDS = 4.0

# Everything at once, each in a greenlet of its own.
CALLS = f"""
import json, os, sys, time
runtime, calls = sys.argv[1], json.loads(sys.argv[2])
if runtime == "gevent":
    from gevent import monkey, spawn
    monkey.patch_all()
    wait = lambda one: one.get()
else:
    import eventlet
    from eventlet import spawn
    eventlet.monkey_patch()
    wait = lambda one: one.wait()
from django_craftkit.client import Craftkit, CraftkitError

def act(name, url):
    craftkit = Craftkit({KEY!r}, base_url=url, timeout={SECONDS}, max_retries=0)
    began = time.monotonic()
    try:
        if "well" in name:
            result = [craftkit.health().status for _ in range(3)]
        elif "read" in name:
            craftkit.renders.render("invoice", {{"text": "x" * 5_000_000}})
        else:
            craftkit.shares.create({RENDER!r})
    except CraftkitError as error:
        result = [type(error).__name__, error.maybe_handled]
    return result, time.monotonic() - began

greenlets = {{name: spawn(act, name, url) for name, url in calls.items()}}
print(json.dumps({{name: wait(one) for name, one in greenlets.items()}}), flush=True)
os._exit(0)
"""


PEERS: dict[str, tuple[str, Script]] = {
    "well": ("http", well),
    "well, TLS": ("https", secured(well)),
    "head": ("http", drips(OK, b"X-Y: z\r\n")),
    "body, TLS": ("https", secured(drips(OK + b"Content-Length: 100000\r\n\r\n", b" "))),
    "record, TLS": ("https", half_a_record),
    "handshake": ("https", never_shakes_hands),
    "read slowly": ("http", sips),
    "read slowly, TLS": ("https", secured(sips)),
}


@pytest.mark.parametrize("runtime", ["gevent", "eventlet"])
def test_no_greenlet_is_held_longer_than_its_timeout(runtime: str) -> None:
    if importlib.util.find_spec(runtime) is None:
        pytest.skip(f"{runtime} is not installed")
    peers = {name: Peer(script) for name, (_, script) in PEERS.items()}
    urls = {name: peers[name].url(scheme) for name, (scheme, _) in PEERS.items()}
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(certificate())}
    try:
        done = subprocess.run(
            [sys.executable, "-c", CALLS, runtime, json.dumps(urls)],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
    finally:
        for peer in peers.values():
            peer.close()
    results = json.loads(done.stdout)
    late = ["CraftkitTimeout", True]
    assert {name: result for name, (result, _) in results.items()} == {
        **dict.fromkeys(PEERS, late),
        "well": ["ok"] * 3,
        "well, TLS": ["ok"] * 3,
        "handshake": ["CraftkitTimeout", False],
    }
    assert max(seconds for _, seconds in results.values()) < SECONDS + 4
