"""Peers that hold whoever calls them: they send a byte now and then, or read one."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .conftest import Listener, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\n"
HEALTHY = OK + b'Content-Length: 15\r\n\r\n{"status":"ok"}'
PAUSE = 0.02
"""Seconds between two bytes."""
LONGEST = 20.0
"""Seconds after which a peer ends by itself, so that no mistake holds the suite for ever."""


@dataclass
class Peer(Listener):
    """Runs a script for each connection, all at the same time."""

    script: Script
    name: str = "127.0.0.1"
    #: How many have connected, and the threads that serve them.
    threads: list[threading.Thread] = field(default_factory=list)
    connections: list[socket.socket] = field(default_factory=list)

    def url(self, scheme: str) -> str:
        return f"{scheme}://{self.name}:{self.port}"

    def _meet(self, connection: socket.socket, number: int) -> None:
        self.connections.append(connection)
        connection.settimeout(LONGEST)
        self.threads.append(threading.Thread(target=self._run, args=(connection,), daemon=True))
        self.threads[-1].start()

    def _run(self, connection: socket.socket) -> None:
        # Who is held hangs up, in the end.
        with connection, contextlib.suppress(OSError):
            self.script(connection)

    def close(self) -> None:
        super().close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self.threads:
            thread.join(10)


def head_of(connection: socket.socket) -> bytes:
    """Read a head, and of what follows only what comes with it."""
    got = b""
    while b"\r\n\r\n" not in got and (more := connection.recv(65536)):
        got += more
    return got


def well(connection: socket.socket) -> None:
    """Answer whatever comes, until nothing comes any more."""
    while head_of(connection):
        connection.sendall(HEALTHY)


def says_nothing(connection: socket.socket) -> None:
    head_of(connection)
    # Until who is held hangs up.
    while connection.recv(65536):
        pass


def sips(connection: socket.socket) -> None:
    """Read a little now and then, and answer nothing."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while connection.recv(20_000):
        time.sleep(PAUSE)


def drips(before: bytes, drops: Iterator[bytes] | bytes, *, pause: float = PAUSE) -> Script:
    """Send what comes before at once, then a drop at a time, over and over."""

    def script(connection: socket.socket) -> None:
        head_of(connection)
        drip(connection, before, drops, pause=pause)

    return script


def drip(
    connection: socket.socket, before: bytes, drops: Iterator[bytes] | bytes, *, pause: float
) -> None:
    connection.sendall(before)
    end = time.monotonic() + LONGEST
    # Of bytes, one at a time.
    drops = iter(bytes([drop]) for drop in drops * 10_000) if isinstance(drops, bytes) else drops
    for drop in drops:
        connection.sendall(drop)
        time.sleep(pause)
        if time.monotonic() > end:
            return


def secured(script: Script) -> Script:
    """The same behind TLS."""

    def handshake(connection: socket.socket) -> None:
        with context().wrap_socket(connection, server_side=True) as within:
            script(within)

    return handshake


def never_shakes_hands(connection: socket.socket) -> None:
    # A record of 16 kB that holds the beginning of a ServerHello.
    connection.recv(65536)
    drip(connection, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", b"x", pause=PAUSE)


def half_a_record(connection: socket.socket) -> None:
    """Shake hands, then send a TLS record that never ends."""
    raw = connection.dup()
    with raw, context().wrap_socket(connection, server_side=True) as secure:
        head_of(secure)
        drip(raw, b"\x17\x03\x03\x40\x00", b"x", pause=PAUSE)


@cache
def context() -> ssl.SSLContext:
    """What a server is with this certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate(), str(certificate()) + ".key")
    return made


@cache
def certificate() -> Path:
    """The file of a certificate of 127.0.0.1, localhost and craftkit.test, signed by itself.

    Its key is beside it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "craftkit.test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("craftkit.test"),
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = Path(mkdtemp()) / "craftkit.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    Path(f"{path}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
