"""The whole thing on one machine, with nothing but this checkout: `make demo`.

Starts a Craftkit of our own (the sandbox), the site, a Celery worker and Celery's beat. Confirms a
booking as staff do in the admin, plays guest and skipper who sign its agreement, signs a boat off,
and tells line by line what becomes of the documents. Then it serves until Ctrl-C; with --once it
ends when they are there.
"""

import argparse
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from datetime import datetime

    from charter.models import Booking
    from django_craftkit.models import ArchivedFile, Change, Render, Share, SignatureRequest

ROOT = Path(__file__).resolve().parent
VAR = ROOT / "var"
LOGS = VAR / "log"
HOST = "127.0.0.1"
CODE = "AEG-2031"  # its boat is signed off
OPTION = "AEG-2035"  # it is confirmed, and its agreement signed

START_SECONDS = 60  # for one process to answer
DOCUMENT_SECONDS = 60  # from the sign-off to the guest's link
AGREEMENT_SECONDS = 90  # from the confirmation to the signed PDF
STOP_SECONDS = 3  # for the processes to end when asked to; then they are killed


class DemoFailed(Exception):
    """What went wrong, in words, and the log that knows more."""

    def __init__(self, words: str, log: Path | None = None) -> None:
        super().__init__(words)
        self.log = log


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or asked this process to end."""


class Children:
    """The processes that the demonstration is made of, each the head of its own group."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.told_to_stop = False
        # A flag, not an exception: it can't strike between the start of a child and its noting.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_stop)

    def _note_stop(self, *_: object) -> None:
        self.told_to_stop = True

    def start(self, name: str, *command: str) -> None:
        with log_of(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pause(self, seconds: float) -> None:
        """Sleep, unless there is a reason not to go on."""
        time.sleep(seconds)
        if self.told_to_stop:
            raise Stopped
        for name, child in self.running.items():
            if child.poll() is not None:
                raise DemoFailed(f"The {name} ended, status {child.returncode}.", log_of(name))

    def wait_for(self, name: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            self.pause(0.1)
            if time.monotonic() > deadline:
                raise DemoFailed(f"The {name} gave no answer in {START_SECONDS} s.", log_of(name))

    def stop(self) -> None:
        """End every process, politely at first. What its head left behind goes with its group."""
        for child in self.running.values():
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(c.poll() is None for c in self.running.values()):
            time.sleep(0.05)
        for child in self.running.values():
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def say(line: str) -> None:
    print(line, flush=True)  # at once, also into a pipe


def log_of(name: str) -> Path:
    return LOGS / f"{name}.log"


def free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise DemoFailed("This machine has no free port.")


def answers_http(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):
            return True
    except OSError:  # also what urllib raises for an answer of 400 and above
        return False


def prepare() -> tuple[str, str]:
    """Clear the ground, and return the addresses of the site and of the sandbox."""
    ground = os.open(ROOT, os.O_RDONLY)  # stays open, and the lock with it, as long as we live
    try:
        fcntl.flock(ground, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DemoFailed("A demonstration is running in this checkout already.") from None
    shutil.rmtree(VAR, ignore_errors=True)
    LOGS.mkdir(parents=True)
    site, sandbox = (f"http://{HOST}:{free_port(port)}" for port in (8000, 9100))
    # Said in full, so that nothing in the environment of whoever runs this changes what happens.
    os.environ.update(
        DJANGO_SETTINGS_MODULE="agency.settings",
        DEBUG="true",
        DATABASE_URL=f"sqlite:///{VAR / 'db.sqlite3'}",
        CELERY_BROKER_URL="filesystem://localhost",
        CRAFTKIT_BASE_URL=sandbox,
        CRAFTKIT_API_KEY="ck_test_sandbox",
        CRAFTKIT_WEBHOOK_SECRETS=secrets.token_hex(16),
        NO_PROXY=HOST,
        no_proxy=HOST,
        PYTHONUNBUFFERED="1",
    )
    return site, sandbox


def fill_database() -> None:
    import django
    from django.core.management import call_command

    sys.path.insert(0, str(ROOT))
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("seed")


def start_everything(children: Children, site: str, sandbox: str) -> None:
    """Start the four processes at once, then wait until each has shown that it works."""
    from agency.celery import app

    children.start(
        "sandbox",
        *("-m", "django_craftkit.sandbox", "--host", HOST, "--port", port_of(sandbox)),
        *("--key", os.environ["CRAFTKIT_API_KEY"], "--render-seconds", "1.5"),
        *("--webhook-url", f"{site}/craftkit/webhooks/default/"),
        *("--webhook-secret", os.environ["CRAFTKIT_WEBHOOK_SECRETS"]),
        *("--templates", str(ROOT / "templates.json")),
        *("--templates", str(ROOT / "craftkit_templates")),
    )
    children.start("site", "manage.py", "runserver", "--noreload", f"{HOST}:{port_of(site)}")
    celery = ("-m", "celery", "-A", "agency")
    children.start("worker", *celery, "worker", "--concurrency", "2", "--loglevel", "INFO")
    children.start("beat", *celery, "beat", "--pidfile=", "--loglevel", "INFO")

    children.wait_for("sandbox", lambda: answers_http(f"{sandbox}/v1/health"))
    say(f"  sandbox   {sandbox}")
    children.wait_for("site", lambda: answers_http(site))
    say(f"  site      {site}")
    children.wait_for("worker", lambda: bool(app.control.ping(timeout=0.5)))
    say("  worker    answers")
    children.wait_for("beat", lambda: "beat: Starting" in log_of("beat").read_text())
    say("  beat      ticks")


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def sign_off() -> "Booking":
    """What the button in the admin does."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    from charter.models import Booking

    booking = Booking.objects.get(code=CODE)
    with transaction.atomic():
        booking.sign_off(get_user_model().objects.get(username="admin"))
    return booking


class Story:
    """The changes of some rows, told as they are written, each once."""

    def __init__(self, began: "datetime") -> None:
        self.began = began
        self.told: set[int] = set()

    def tell(self, **rows: list[int]) -> None:
        from django.db.models import Q

        from django_craftkit.models import Change

        about = Q()
        for kind, pks in rows.items():
            about |= Q(kind=kind, object_id__in=pks)
        changes = Change.objects.filter(about).exclude(pk__in=self.told).order_by("pk")
        for change in changes.select_related("recipient"):
            self.told.add(change.pk)
            self.say(change)

    def say(self, change: "Change") -> None:
        seconds = (change.created_at - self.began).total_seconds()
        who = change.recipient.full_name if change.recipient else change.from_status
        step = f"{change.kind:<10} {who} → {change.to_status}"
        say(f"{seconds:8.2f} s  {step:<40} {change.get_cause_display()} {change.note}".rstrip())


def follow(children: Children, booking: "Booking") -> tuple["Share", "Share"]:
    """Tell the story of the booking's protocol as it is written, until the guest has it.

    Return the link on the guest's page and the mail.
    """
    from charter.craftkit import HANDOVER
    from django_craftkit.models import Render

    render = Render.objects.for_object(booking).get(template=HANDOVER)
    story = Story(booking.signed_off_at)
    deadline = time.monotonic() + DOCUMENT_SECONDS
    say(f"{0:8.2f} s  {render.template} is {render.get_status_display()}, with the sign-off")
    while True:
        render.refresh_from_db()
        shares = {one.by_mail: one for one in render.shares.all()}
        link, mail = shares.get(False), shares.get(True)
        story.tell(render=[render.pk], share=[one.pk for one in shares.values()])
        if link and mail and link.is_open and mail.mailed_at:
            return link, mail
        check_progress(render)
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"After {DOCUMENT_SECONDS} s {render} is {render.status}, its link is "
                f"{link.status if link else 'not asked for'} and its mail "
                f"{mail.status if mail else 'not asked for'}.",
                log_of("worker"),
            )
        children.pause(0.1)


def check_progress(render: "Render") -> None:
    if render.is_final and render.status != render.Status.SUCCEEDED:
        raise DemoFailed(f"{render} is {render.status}: {render.error}", log_of("worker"))


def confirm() -> "Booking":
    """What staff do in the admin when the guest has paid."""
    from django.db import transaction

    from charter.models import Booking

    booking = Booking.objects.get(code=OPTION)
    booking.status = Booking.Status.CONFIRMED
    with transaction.atomic():
        booking.save()
    return booking


def follow_agreement(children: Children, booking: "Booking", sandbox: str) -> "ArchivedFile":
    """Tell the story of the booking's agreement, and sign it, until the signed PDF is kept."""
    from charter.craftkit import AGREEMENT
    from charter.views import newest_request, signed_file
    from django_craftkit.models import Render

    render = Render.objects.for_object(booking).get(template=AGREEMENT)
    story, played = Story(render.requested_at), set[str]()
    deadline = time.monotonic() + AGREEMENT_SECONDS
    say(f"{0:8.2f} s  {render.template} is {render.get_status_display()}, with the booking")
    while True:
        render.refresh_from_db()
        check_progress(render)
        request = newest_request(booking)
        story.tell(render=[render.pk], signature=[request.pk] if request else [])
        if request is not None:
            signed = signed_file(request)
            if signed is not None:
                return signed
            if request.is_final and request.status != request.Status.COMPLETED:
                raise DemoFailed(f"{request} is {request.status}: {request.error}")
            play_next_signer(request, sandbox, played)
        if time.monotonic() > deadline:
            status = request.status if request else "not asked for"
            raise DemoFailed(
                f"After {AGREEMENT_SECONDS} s {render} is {render.status} and its signature "
                f"request {status}.",
                log_of("worker"),
            )
        children.pause(0.1)


def play_next_signer(request: "SignatureRequest", sandbox: str, played: set[str]) -> None:
    """Sign in the place of whoever is next, once the site has heard of the one before."""
    waiting = {one.email: one.full_name for one in request.recipients.all() if not one.signed_at}
    if not request.is_open or not waiting or waiting.keys() & played:
        return
    email, name = next(iter(waiting.items()))
    played.add(email)
    say(f"            {name} signs at Craftkit")
    url = f"{sandbox}/_sandbox/signatures/{request.remote_id}/sign"
    body = json.dumps({"email": email}).encode()
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10):
        pass


def save_pdf(render: "Render") -> Path:
    path = VAR / f"handover-{CODE}.pdf"
    with render.open() as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    if not path.read_bytes().startswith(b"%PDF"):
        raise DemoFailed(f"{path} is no PDF.", log_of("sandbox"))
    return path


def demonstrate(children: Children, *, once: bool) -> None:
    site, sandbox = prepare()
    say(f"A charter agency on this machine (logs: {LOGS})\n")
    fill_database()
    start_everything(children, site, sandbox)

    say(f"\nStaff confirm booking {OPTION}: guest and skipper get its agreement to sign.\n")
    option = confirm()
    signed = follow_agreement(children, option, sandbox)

    say(f"\nStaff sign off the boat of booking {CODE}: the guest gets its protocol by e-mail.\n")
    booking = sign_off()
    link, mail = follow(children, booking)
    path = save_pdf(link.render)

    say(f"\n  signed    {VAR / 'documents' / signed.name} ({signed.size:,} bytes)")
    say(f"            SHA-256 {signed.sha256}")
    say(f"  document  {path} ({path.stat().st_size:,} bytes)")
    say(f"  link      {link.url}")
    say(f"  mailed    to {mail.recipient_email}")
    if once:
        say("\nThat was all. `make demo` keeps it up, to look at and to try.")
        return
    say(f"  guest     {site}{booking.get_absolute_url()}")
    say(f"  signed    {site}{option.get_absolute_url()}")
    say(f"  site      {site}/")
    say(f"  admin     {site}/admin/charter/booking/ (admin, password admin)")
    say(f"  quay      {site}/admin/login/?next={booking.get_absolute_url()} (nikos, nikos)")
    say(f"  mails     {sandbox}/_sandbox/mails")
    say("\nServing. The agreement of AEG-2034 waits to be signed: its link is in the mails.")
    say("In the admin, complete the inspection of AEG-2034 and sign its boat off as well.")
    say("Ctrl-C ends it all.")
    while True:
        children.pause(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--once", action="store_true", help="end when the document is there")
    once = parser.parse_args().once
    children = Children()
    try:
        demonstrate(children, once=once)
        return 0
    except Stopped:
        say("\nStopping.")
        return 130 if once else 0
    except DemoFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        if failure.log is not None and failure.log.exists():
            tail = failure.log.read_text(errors="replace").splitlines()[-25:]
            print(f"The end of {failure.log}:\n  " + "\n  ".join(tail), file=sys.stderr)
        return 1
    finally:
        children.stop()


if __name__ == "__main__":
    sys.exit(main())
