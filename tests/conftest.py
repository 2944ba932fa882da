from __future__ import annotations

import gc
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db import connection
from django.dispatch import Signal
from django.utils import translation
from hypothesis import HealthCheck, settings

from django_craftkit import declarations, dispatch, events, projects
from django_craftkit.models import Render
from django_craftkit.models.archive import archive_storage
from django_craftkit.sandbox import SandboxAdapter
from django_craftkit.sandbox.core.pdf import signatures as papers
from tests import resolvers
from tests.helpers import archived_files
from tests.resolvers import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_craftkit.testing import Kit

# What is worth more says so itself. A busy machine is no fault, and what lands is judged by the
# same examples each time: new ones are tried at the desk.
settings.register_profile(
    "suite",
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize="CI_REQUIRES_ALL" in os.environ,
)
settings.load_profile("suite")


#: Of tests: what starts processes of its own, a browser or an older version, and what tries each
#: step of a road with each mishap. All of it together takes longer than all the rest.
SLOW = (
    "browser",
    "example",
    "process",
    "upgrade",
    "test_any_length.py",
    "test_archive_s3.py",
    "test_archive_storages.py",
    "test_batches_disturbed.py",
    "test_log_people.py",
    "test_lookups.py",
    "test_migrations.py",
    "test_moments.py",
    "test_numbers.py",
    "test_odd_answers.py",
    "test_passing.py",
    "test_reference_page.py",
    "test_taken_back.py",
    "test_tolerance.py",
)


# First of all: what is deselected is deselected by its marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and begin with what waits for a lease: others have the cores beside it."""
    for item in items:
        if not set(SLOW).isdisjoint(item.path.parts):
            item.add_marker("slow")
    items.sort(key=lambda item: "process" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Spare the collector of garbage the modules: they stay, and it would walk over them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes ``-n auto`` means: some tests wait, for a lease or a browser."""
    return (os.cpu_count() or 1) + 1


#: What is filled when a database is made.
KEPT = ("auth_permission", "django_content_type")


def _are_kept_as_made(alias: str) -> bool:
    """Whether a test has left the content types and permissions of all models, and no others."""
    options = [model._meta for model in apps.get_models()]
    permissions = sum(len(one.permissions) + len(one.default_permissions) for one in options)
    types = ContentType.objects.using(alias).values_list("app_label", "model")
    return (
        set(types) == {(one.app_label, one.model_name) for one in options}
        and Permission.objects.using(alias).count() == permissions
    )


@pytest.fixture(scope="session", autouse=True)
def _a_flush_is_quick() -> Iterator[None]:
    """Keep content types and permissions in a flush: to make them anew takes longer than a test.

    PostgreSQL deletes rows: a TRUNCATE writes a new file for each table and each index.
    """
    operations = type(connection.ops)
    empty, make_anew = operations.sql_flush, flush.emit_post_migrate_signal
    begin_anew = operations.sequence_reset_by_name_sql

    def sql_flush(self: Any, style: Any, tables: list[str], **options: bool) -> list[str]:
        tables = [table for table in tables if table not in KEPT]
        if connection.vendor != "postgresql" or options.get("reset_sequences"):
            return empty(self, style, tables, **options)  # type: ignore[no-any-return]
        return [f"DELETE FROM {self.quote_name(table)}" for table in tables]

    def reset(self: Any, style: Any, sequences: list[dict[str, Any]]) -> list[str]:
        return begin_anew(self, style, [one for one in sequences if one["table"] not in KEPT])

    def emit(verbosity: int, interactive: bool, db: str, **options: object) -> None:
        if not _are_kept_as_made(db):
            ContentType.objects.using(db).all().delete()
            make_anew(verbosity, interactive, db, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "sql_flush", sql_flush)
        patch.setattr(operations, "sequence_reset_by_name_sql", reset)
        patch.setattr(flush, "emit_post_migrate_signal", emit)
        yield


@pytest.fixture
def ready(craftkit: Kit) -> Render:
    """A document that a link can be made to."""
    render = Render.objects.request("invoice", {"number": "1"}, key="i-1")
    craftkit.run()
    render.refresh_from_db()
    return render


@pytest.fixture
def awake(craftkit: Kit) -> Iterator[None]:
    """Have requests wake a worker, as without the kit."""
    before = dispatch.set_silent(False)
    yield
    dispatch.set_silent(before)


@pytest.fixture
def own_keys(craftkit: Kit, settings: Any) -> Iterator[None]:
    """Have projects call the kit's Craftkit by the keys that they have: else any key will do."""
    adapter = partial(SandboxAdapter, craftkit.sandbox)
    settings.CRAFTKIT_PROJECTS = {
        alias: {**entry, "ADAPTER": adapter} for alias, entry in settings.CRAFTKIT_PROJECTS.items()
    }
    before = projects.set_stand_in(None)
    yield
    projects.set_stand_in(before)


@pytest.fixture
def quick_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Craftkit's signed PDFs and certificates without their fonts: half a second each."""
    for name in ("signed", "certificate"):
        paper = b"%%PDF-1.7\n%% %s " % name.encode()
        monkeypatch.setattr(papers, name, lambda request, paper=paper: paper + request.id.encode())


@pytest.fixture
def event() -> Signal:
    return Signal()


@pytest.fixture(autouse=True)
def _archive() -> Iterator[None]:
    """Leave no file in the archive, which is one for all tests of a process."""
    yield
    for name in archived_files():
        archive_storage().delete(name)


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    """A page that is read in another language leaves that language to whatever comes after it."""
    with translation.override(translation.get_language()):
        yield


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``render_on`` for one test; functions are called as if no other function made them."""
    before = set(declarations.declared())
    monkeypatch.setattr(declarations, "_declared", dict(declarations._declared))

    def render_on(signal: Any, **options: Any) -> Callable[[Any], Any]:
        def declaring(function: Any) -> Any:
            function.__qualname__ = function.__name__
            return events.render_on(signal, **options)(function)

        return declaring

    yield render_on
    for made in set(declarations.declared()) - before:
        made.signal.disconnect(sender=made.sender, dispatch_uid=made)


@pytest.fixture
def store(settings: Any, monkeypatch: pytest.MonkeyPatch) -> type[Store]:
    """Projects that a resolver knows, and the settings don't: none yet."""
    for name, value in (("entries", {}), ("asked", []), ("listed", []), ("before", bool)):
        monkeypatch.setattr(Store, name, value)
    settings.CRAFTKIT = {**settings.CRAFTKIT, "PROJECT_RESOLVER": resolvers.PATH}
    return Store
