"""A bucket of a real S3 server, which the project uses as well: nothing of it is ever lost."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError
from django.conf import settings as django_settings
from moto.server import ThreadedMotoServer

from django_craftkit.models import ArchivedFile, Job
from django_craftkit.models.archive import archive_storage
from tests.helpers import LEASE_OVER, Killed, elsewhere, killed, settle, work
from tests.reconcile.archives import Moments, check_rows, served, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db(transaction=True)

ACCESS = {
    "region_name": "eu-central-1",
    "aws_access_key_id": "only for tests",
    "aws_secret_access_key": "only for tests",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server, settings, request, monkeypatch):
    """The project's bucket, as a client sees it; nothing in it is versioned."""
    name = f"project-{uuid.uuid4()}"
    given = dict(request.param)
    backend = given.pop("backend", "Bucket")
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    client = boto3.resource("s3", endpoint_url=server, **ACCESS)
    bucket = client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": ACCESS["region_name"]}
    )
    settings.STORAGES = {
        **django_settings.STORAGES,
        "craftkit": {
            "BACKEND": f"tests.reconcile.archives.{backend}",
            "OPTIONS": {
                "bucket_name": name,
                "endpoint_url": server,
                "region_name": ACCESS["region_name"],
                "access_key": ACCESS["aws_access_key_id"],
                "secret_key": ACCESS["aws_secret_access_key"],
                **given,
            },
        },
    }
    yield bucket
    Moments.forget()


def options(**given):
    return pytest.param(given, id=", ".join(f"{name}={value}" for name, value in given.items()))


every_bucket = pytest.mark.parametrize(
    "bucket",
    [
        options(file_overwrite=True),
        options(file_overwrite=False),
        options(file_overwrite=True, location="private/archive"),
        options(file_overwrite=False, location="private/archive"),
    ],
    indirect=True,
)
one_bucket = pytest.mark.parametrize("bucket", [options(file_overwrite=True)], indirect=True)


def content(bucket) -> dict[str, bytes]:
    return {thing.key: thing.get()["Body"].read() for thing in bucket.objects.all()}


@pytest.fixture
def theirs(bucket, completed, long_papers) -> dict[str, bytes]:
    """What is in the bucket already: the project's uploads, and an earlier signed PDF."""
    location = archive_storage().location
    start = f"{location}/" if location else ""
    folder = f"craftkit/default/signed/{completed.remote_id}"
    theirs = {
        "logo.png": b"png",
        "uploads/7.pdf": b"%PDF-1",
        f"{start}8.pdf": b"%PDF-2",
        f"{start}{folder}/theirs.pdf": b"%PDF-3",
        f"{folder}/earlier.pdf": b"%PDF-4",
        f"{start}{folder}/earlier.pdf": b"%PDF-4",
    }
    for key, body in theirs.items():
        bucket.put_object(Key=key, Body=body)
    ArchivedFile.objects.create(
        kind="signed",
        object_id=completed.pk + 1,
        name=f"{folder}/earlier.pdf",
        size=6,
        sha256=hashlib.sha256(b"%PDF-4").hexdigest(),
    )
    return theirs


@pytest.fixture
def check(bucket, theirs, completed, dashboard):
    """What checks that both files are vouched for and whole, all else as it was, and no more."""

    def check(*, left: int = 0) -> None:
        check_rows(completed)
        assert stored(completed) == served(dashboard, completed)
        there = content(bucket)
        assert theirs.items() <= there.items()
        assert len(there) == len(theirs) + 2 + left

    return check


@every_bucket
def test_what_is_kept_is_whole_and_nothing_else_is_touched(craftkit, check):
    settle(craftkit)
    check()


@pytest.mark.parametrize("bucket", [options(backend="BucketOfRandomNames")], indirect=True)
@pytest.mark.parametrize("moment", [None, "midway", "after"])
def test_random_names_at_the_top_of_the_bucket_cost_nobody_a_file(craftkit, check, moment):
    if moment is None:
        settle(craftkit)
        check()
        return
    getattr(Moments, moment).append(killed)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    # It has a name that nobody heard.
    check(left=1)


@every_bucket
@pytest.mark.parametrize("moment", ["before", "midway", "after"])
def test_a_worker_that_dies_while_it_writes_damages_nothing(craftkit, check, completed, moment):
    getattr(Moments, moment).append(killed)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    assert not ArchivedFile.objects.filter(object_id=completed.pk).exists()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    check()


@every_bucket
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_second_worker_damages_nothing(craftkit, check, moment):
    def take_over():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)

    getattr(Moments, moment).append(take_over)
    craftkit.pass_time(1)
    work()
    settle(craftkit)
    check()


@every_bucket
def test_a_worker_that_dies_after_a_second_one_was_through_damages_nothing(craftkit, check):
    def take_over():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)
        Moments.midway.append(killed)

    Moments.before.append(take_over)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    settle(craftkit)
    check(left=1)


@pytest.fixture
def calls(monkeypatch):
    """The operations that are called, and which of them the credentials do not allow."""
    made: list[str] = []
    forbidden: set[str] = set()
    call = botocore.client.BaseClient._make_api_call

    def recorded(self, operation_name, api_params):
        made.append(operation_name)
        if operation_name in forbidden:
            answer = {
                "Error": {"Code": "403", "Message": "Forbidden"},
                "ResponseMetadata": {"HTTPStatusCode": 403},
            }
            raise ClientError(answer, operation_name)
        return call(self, operation_name, api_params)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)
    made.clear()
    return made, forbidden


@one_bucket
def test_undisturbed_files_are_put_and_looked_at(craftkit, check, calls):
    settle(craftkit)
    assert calls[0] == ["PutObject", "HeadObject"] * 2
    check()


@one_bucket
def test_after_a_crash_what_was_written_is_read_and_what_is_left_deleted(craftkit, check, calls):
    Moments.midway.append(killed)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    craftkit.pass_time(LEASE_OVER)
    calls[0].clear()
    settle(craftkit)
    assert set(calls[0]) == {"PutObject", "HeadObject", "GetObject", "DeleteObject"}
    check()


@one_bucket
def test_credentials_that_may_only_write_are_enough(craftkit, check, calls):
    made, forbidden = calls
    forbidden |= {"HeadObject", "GetObject", "DeleteObject", "ListObjects", "ListObjectsV2"}
    settle(craftkit)
    assert set(made) == {"PutObject", "HeadObject"}, "nothing needs to be read, listed or deleted"
    forbidden.clear()
    check()


@one_bucket
def test_credentials_that_may_not_delete_leave_what_a_dead_worker_left(craftkit, check, calls):
    calls[1].add("DeleteObject")
    Moments.midway.append(killed)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    calls[1].clear()
    check(left=1)


@one_bucket
def test_credentials_that_may_not_write_have_it_tried_again(craftkit, check, calls, completed):
    calls[1].add("PutObject")
    craftkit.pass_time(1)
    work()
    assert "PutObject" in Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE).error
    assert not ArchivedFile.objects.filter(object_id=completed.pk).exists()
    calls[1].clear()
    settle(craftkit)
    check()
