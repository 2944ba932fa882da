"""Fill a database with the version that is first on the path, and write its dump.

    git worktree add /tmp/earlier 1eae407
    cp -r tests/upgrade /tmp/earlier/tests/ && cd /tmp/earlier
    python -m tests.upgrade.fill sqlite:////tmp/fill.db OUT
    python -m tests.upgrade.fill postgres://postgres@127.0.0.1:5432/craftkit_fill OUT
    python -m tests.upgrade.fill mysql://root@127.0.0.1:3306/craftkit_fill OUT

The database must be new and empty. OUT gets VENDOR.sql, what stands in the database, and
VENDOR.json, what Craftkit had by then and how much it had in the end, after the same version had
repeated every call and finished its work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import environ
from django.conf import settings

PROJECTS = {
    alias: {"API_KEY": f"ck_test_{alias}", "BASE_URL": "http://127.0.0.1:9"}
    for alias in ("default", "eu")
}


def configure(url: str) -> None:
    import django

    settings.configure(
        SECRET_KEY="only for tests",
        USE_TZ=True,
        TIME_ZONE="Europe/Athens",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": environ.Env.db_url_config(url)},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django_craftkit",
            "tests.shop",
        ],
        CELERY_BROKER_URL="memory://",
        CRAFTKIT_PROJECTS=PROJECTS,
    )
    django.setup()


def fill(kit: Any) -> None:
    """Leave wishes of every kind at every stage."""
    from django_craftkit.models import Job, Render, WebhookDelivery
    from django_craftkit.projects import get_client
    from tests.upgrade import calls

    faults = kit.sandbox.faults
    calls.base()
    calls.base("retried")
    calls.base("withdrawn")
    faults.add("render_failed", template="invoice", times=1)
    kit.run()
    kit.pass_time(30)
    kit.run()
    failed = Render.objects.get(status="failed")
    assert failed.retry()
    kit.run()
    for call in (*calls.documents("ready").values(), *calls.handing_out("ready").values()):
        call()
    withdrawn = calls.base("withdrawn")
    withdrawn.share(key="w")
    kit.run()
    kit.pass_time(30)
    kit.run()
    withdrawn.withdraw()
    # A link that somebody has made at Craftkit's dashboard, and that was found there.
    base = calls.base()
    base.refresh_from_db()
    get_client().shares.create(base.remote_id, message="by hand")
    base.refresh()
    kit.run()
    assert not Render.objects.exclude(status="succeeded").exists()
    # Sent, and the answer is lost: of each once, and nobody has looked again.
    for call in (*calls.documents("lost").values(), *calls.handing_out("lost").values()):
        call()
    for path in ("/v1/templates/*/render*", "/v1/renders*", "/v1/signatures"):
        faults.add("cut_after", method="POST", path=path, times=None)
    kit.run()
    faults.clear()
    assert Render.objects.filter(status="pending", sent_at__isnull=False).count() == 9
    for call in (*calls.documents("pending").values(), *calls.handing_out("pending").values()):
        call()
    body = json.dumps({"event": "form.submitted", "formId": "1", "data": {"name": "Ada"}})
    WebhookDelivery.objects.store("default", "1b4e28ba-2fa1-11d2-883f-0016d3cca427", body.encode())
    assert Job.objects.exists()


def dump(vendor: str, out: Path) -> None:
    from django.db import connection

    name = connection.settings_dict["NAME"]
    host = connection.settings_dict["HOST"]
    if vendor == "sqlite":
        connection.ensure_connection()
        text = "\n".join(connection.connection.iterdump()) + "\n"
    elif vendor == "postgresql":
        command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges"]
        command += ["-h", host, "-U", connection.settings_dict["USER"], name]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # What only psql understands.
        lines = [line for line in text.splitlines() if not line.startswith(("\\", "--"))]
        text = "\n".join(line for line in lines if line) + "\n"
    else:
        command = ["mysqldump", "--hex-blob", "--skip-comments", "--skip-dump-date"]
        command += ["--skip-lock-tables", "--skip-add-locks", "-h", host, "-u", "root", name]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines = [line for line in text.splitlines() if not line.startswith("/*M!")]
        text = "\n".join(lines) + "\n"
    (out / f"{vendor}.sql").write_text(text)


def finish(kit: Any) -> dict[str, int]:
    """Repeat every call, finish the work, and return how much Craftkit has then."""
    from tests.upgrade import calls
    from tests.upgrade.craft import totals

    calls.repeat()
    for _ in range(80):
        kit.run()
        kit.pass_time(30)
    return totals(kit.sandbox)


def main(url: str, out: Path) -> None:
    configure(url)
    from django.core.management import call_command
    from django.db import connection

    from django_craftkit.testing import Kit
    from tests.upgrade.craft import Recorder, ids

    call_command("migrate", run_syncdb=True, verbosity=0)
    Recorder.calls = []
    kit = Kit()
    kit._adapter = lambda: Recorder(kit.sandbox)  # type: ignore[method-assign]
    with kit:
        fill(kit)
        left_at = kit._timestamp()
        calls, known = list(Recorder.calls), ids(kit.sandbox)
        dump(connection.vendor, out)
        in_the_end = finish(kit)
    record = {"left_at": left_at, "in_the_end": in_the_end, "ids": known, "calls": calls}
    (out / f"{connection.vendor}.json").write_text(json.dumps(record, indent=1) + "\n")
    sys.stdout.write(f"{connection.vendor}: {in_the_end}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
