"""What the pages say of languages, moments, audit packages and the worker's end is so."""

from __future__ import annotations

import signal
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.exceptions import ClientError
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db.models.signals import post_save
from django.db.utils import ProgrammingError
from django.dispatch import Signal
from django.test import override_settings
from django.utils import translation
from django.utils.translation import gettext_lazy
from moto.core import set_initial_no_auth_action_count
from moto.server import ThreadedMotoServer
from storages.backends.s3 import S3Storage

from django_craftkit.events import render_on
from django_craftkit.models import Render
from django_craftkit.reconcile.loop import Loop
from tests.docs import pages
from tests.shop.models import Order

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

#: A text that Django itself has in German.
MONDAY = gettext_lazy("Monday")


@pytest.mark.parametrize(("snapshot", "told"), [(False, "Monday"), (True, "Montag")])
@override_settings(LANGUAGE_CODE="en")
def test_a_text_comes_in_the_language_of_where_it_is_built(
    craftkit: Kit, order: Order, quiet: None, snapshot: bool, told: str
):
    event = Signal()
    options = {"template": "invoice", "key": str, "name": "told", "snapshot": snapshot}
    render_on(event, **options)(lambda order, **kwargs: {"day": MONDAY})
    with translation.override("de"):
        event.send(Order, instance=order)
    with translation.override(None):
        craftkit.run()
    assert craftkit.renders[0].data == {"day": told}


def test_data_that_are_given_are_in_the_language_of_who_gives_them(craftkit: Kit, db: None):
    with translation.override("de"):
        Render.objects.request("invoice", {"day": MONDAY})
    craftkit.run()
    assert craftkit.renders[0].data == {"day": "Montag"}


def test_a_moment_is_of_the_day_that_it_is_here(craftkit: Kit, db: None):
    moment = datetime(2026, 5, 1, 0, 30, tzinfo=ZoneInfo("Europe/Athens"))
    Render.objects.request("invoice", {"at": moment})
    craftkit.run()
    assert craftkit.renders[0].data == {"at": "2026-05-01T00:30:00.000+03:00"}


def test_who_listens_to_post_save_sees_no_document(craftkit: Kit, db: None):
    seen: list[object] = []

    def listen(sender: type, **kwargs: object) -> None:
        seen.append(sender)

    post_save.connect(listen)
    try:
        Render.objects.request("invoice", {})
        craftkit.run()
    finally:
        post_save.disconnect(listen)
    assert Render.objects.get().status == "succeeded"
    assert Render not in seen


def test_a_worker_ends_with_what_waiting_does_not_mend(monkeypatch: pytest.MonkeyPatch):
    def sweep(loop: Loop) -> int:
        raise ProgrammingError("there is no such table")

    monkeypatch.setattr(Loop, "sweep", sweep)
    monkeypatch.setattr(signal, "signal", lambda *given: None)
    with pytest.raises(ProgrammingError):
        call_command("craftkit_work")


def test_the_rights_at_s3_are_enough_and_no_more(settings, monkeypatch: pytest.MonkeyPatch):
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    (policy,) = [one.text for one in pages.blocks("json") if one.page.name == "deploying.md"]
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {"endpoint_url": f"http://{host}:{port}", "region_name": "eu-central-1"}
        root = {**options, "aws_access_key_id": "root", "aws_secret_access_key": "root"}
        place = {"LocationConstraint": options["region_name"]}
        boto3.client("s3", **root).create_bucket(
            Bucket="my-project", CreateBucketConfiguration=place
        )
        iam = boto3.client("iam", **root)
        iam.create_user(UserName="worker")
        iam.put_user_policy(UserName="worker", PolicyName="archive", PolicyDocument=policy)
        key = iam.create_access_key(UserName="worker")["AccessKey"]
        storage = S3Storage(
            bucket_name="my-project",
            access_key=key["AccessKeyId"],
            secret_key=key["SecretAccessKey"],
            file_overwrite=True,
            **options,
        )
        with_rights(storage)
    finally:
        server.stop()


@set_initial_no_auth_action_count(0)
def with_rights(storage: S3Storage) -> None:
    """Do what the archive does, with a large file as well; from here on rights are checked."""
    content = b"%PDF-" + b"0" * storage.transfer_config.multipart_threshold
    name = storage.save("craftkit/one.pdf", ContentFile(content))
    assert storage.size(name) == len(content)
    assert storage.open(name).read() == content
    storage.delete(name)
    for forbidden in (
        lambda: storage.save("other/one.pdf", ContentFile(b"%PDF-")),
        lambda: storage.listdir("craftkit"),
    ):
        with pytest.raises(ClientError, match=r"Access ?Denied"):
            forbidden()
