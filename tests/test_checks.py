"""System checks: each names what is wrong and says what to write instead; none ever raises."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.dispatch import Signal
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_craftkit import conf, declarations
from django_craftkit.checks import check_templates
from django_craftkit.models import Template
from django_craftkit.projects import get_client

GOOD = {"API_KEY": "ck_live_1", "WEBHOOK_SECRETS": ["whsec"]}


@pytest.fixture(autouse=True)
def _nothing_is_declared(monkeypatch):
    """What the suite declares is for the project "default", which few of these settings have."""
    monkeypatch.setattr(declarations, "_declared", {})


def found(*, deploy: bool = False) -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["craftkit"], include_deployment_checks=deploy)


def about_project(*, deploy: bool = False, **given) -> list[checks.CheckMessage]:
    with override_settings(CRAFTKIT_PROJECTS={"eu": {**GOOD, **given}}, CRAFTKIT={}):
        return found(deploy=deploy)


def ids(messages: list[checks.CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"BASE_URL": "http://127.0.0.1:9100"},
        {"BASE_URL": "http://[::1]:9100/"},
        {"BASE_URL": "http://localhost:9100"},
        {"BASE_URL": "", "TIMEOUT": None},
        {"TIMEOUT": 5},
        {"TIMEOUT": [3, 30]},
        {"WEBHOOK_SECRETS": ("old", "new")},
    ],
    ids=str,
)
def test_what_is_right_is_passed_over(given):
    assert about_project(deploy=True, **given) == []


@pytest.mark.parametrize("projects", [None, {}, [], "ck_live_1", 7])
def test_e001_there_are_no_projects(projects):
    with override_settings(CRAFTKIT_PROJECTS=projects):
        (message,) = found(deploy=True)
    assert message.id == "craftkit.E001"
    assert 'CRAFTKIT_PROJECTS = {"default": ' in message.hint


def test_e001_the_setting_is_missing(settings):
    del settings.CRAFTKIT_PROJECTS
    assert ids(found()) == ["craftkit.E001"]


@pytest.mark.parametrize("project", [None, "ck_live_1", ["ck_live_1"], 7])
def test_e002_a_project_is_no_dict(project):
    with override_settings(CRAFTKIT_PROJECTS={"eu": project}):
        (message,) = found(deploy=True)
    assert message.id == "craftkit.E002"
    assert "CRAFTKIT_PROJECTS['eu']" in message.msg
    assert "API_KEY" in message.hint
    assert "ck_live_1" not in f"{message.msg} {message.hint}"


def test_e003_a_project_has_an_unknown_key():
    messages = about_project(SECRET="whsec", api_key="ck_live_1")
    assert ids(messages) == ["craftkit.E003"] * 2
    for message, key in zip(messages, ("SECRET", "api_key"), strict=True):
        assert "CRAFTKIT_PROJECTS['eu']" in message.msg
        assert f"'{key}'" in message.msg
    for key in conf.PROJECT_KEYS:
        assert key in messages[0].hint


@pytest.mark.parametrize("secrets", ["whsec", b"whsec", 7, True, {"a": 1}, [7], [b"whsec"]])
def test_e004_the_secrets_are_no_list_of_strings(secrets):
    (message,) = about_project(WEBHOOK_SECRETS=secrets, deploy=True)
    assert message.id == "craftkit.E004"
    assert "CRAFTKIT_PROJECTS['eu']['WEBHOOK_SECRETS']" in message.msg
    assert "whsec" not in f"{message.msg} {message.hint}"


@pytest.mark.parametrize(
    "url",
    [
        *("api.craftkit.dev", "ftp://craftkit.dev", "https://", "http://[::1", "x", 7, ["x"]),
        *("https://craftkit.dev:port", "https://me:pass@craftkit.dev", "https://c.dev?x=1"),
        *("https://craftkit.dev:0", "https://craft kit.dev", "https://craftkit.dev\n#"),
    ],
)
def test_e005_the_address_is_none_that_the_client_takes(url):
    (message,) = about_project(BASE_URL=url, deploy=True)
    assert message.id == "craftkit.E005"
    assert "CRAFTKIT_PROJECTS['eu']['BASE_URL']" in message.msg
    assert "https://api.craftkit.dev" in message.hint
    assert "pass" not in message.msg


@pytest.mark.parametrize("options", [None, [], "PAUSED", 7])
def test_e006_the_options_are_no_dict(options):
    with override_settings(CRAFTKIT=options):
        (message,) = found()
    assert message.id == "craftkit.E006"
    assert "CRAFTKIT = {}" in message.hint


def test_e007_an_option_is_unknown():
    with override_settings(CRAFTKIT={"PAUSE": True, 7: 1}):
        messages = found()
    assert ids(messages) == ["craftkit.E007"] * 2
    assert "'PAUSE'" in messages[1].msg
    assert "PAUSED" in messages[1].hint


class JobsElsewhere:
    def db_for_write(self, model, **hints):
        return "other" if model._meta.label == "craftkit.Job" else None


class AllElsewhere:
    def db_for_write(self, model, **hints):
        return "other"


def test_e008_the_tables_are_in_two_databases():
    with override_settings(DATABASE_ROUTERS=[JobsElsewhere()]):
        (message,) = found()
    assert message.id == "craftkit.E008"
    assert "default, other" in message.msg
    with override_settings(DATABASE_ROUTERS=[AllElsewhere()]):
        assert found() == []


@pytest.mark.parametrize("timeout", [-1, "soon", (1, 2, 3), (0, 1), float("nan"), True, {}.keys])
def test_e009_the_timeout_is_none_that_the_client_takes(timeout):
    (message,) = about_project(TIMEOUT=timeout)
    assert message.id == "craftkit.E009"
    assert "seconds" in message.msg
    assert "(3.05, 30.0)" in message.hint


class TestUnderDeploy:
    @pytest.mark.parametrize("secrets", [None, [], [""], [" \t"], [None]])
    def test_w001_no_secret(self, secrets):
        (message,) = about_project(WEBHOOK_SECRETS=secrets, deploy=True)
        assert message.id == "craftkit.W001"
        assert "CRAFTKIT_PROJECTS['eu']" in message.msg
        assert about_project(WEBHOOK_SECRETS=secrets) == []

    @pytest.mark.parametrize("url", ["http://api.craftkit.dev", " HTTP://10.0.0.1:80/x "])
    def test_w002_a_key_that_travels_in_the_open(self, url):
        (message,) = about_project(BASE_URL=url, deploy=True)
        assert message.id == "craftkit.W002"
        assert "https" in message.hint
        assert about_project(BASE_URL=url) == []

    def test_w003_a_test_key(self):
        (message,) = about_project(API_KEY=" ck_test_sesame", deploy=True)
        assert message.id == "craftkit.W003"
        assert "ck_live_" in message.hint
        assert "sesame" not in f"{message.msg} {message.hint}"
        assert about_project(API_KEY="ck_test_sesame") == []


@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_missing_key_is_an_error_at_the_first_use_only(key):
    assert about_project(API_KEY=key, deploy=True) == []
    with (
        override_settings(CRAFTKIT_PROJECTS={"eu": {**GOOD, "API_KEY": key}}),
        pytest.raises(ImproperlyConfigured, match=r"\['eu'\].*API_KEY"),
    ):
        get_client("eu")


def test_the_settings_that_a_hint_proposes_pass():
    with override_settings(CRAFTKIT_PROJECTS={"default": {"API_KEY": "ck_live_1"}}, CRAFTKIT={}):
        assert found() == []


ABSURD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.sampled_from([*sorted(conf.PROJECT_KEYS - {"ADAPTER"}), "PAUSED", "default"])
            | st.text(max_size=5)
            | st.integers()
            | st.none(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@hypothesis_settings(max_examples=100)
@given(projects=st.dictionaries(st.text() | st.integers(), ABSURD) | ABSURD, options=ABSURD)
def test_no_settings_are_absurd_enough_to_raise(projects, options):
    with override_settings(CRAFTKIT_PROJECTS=projects, CRAFTKIT=options):
        for message in found(deploy=True):
            assert message.id.startswith("craftkit.")
            assert message.hint


def test_manage_py_check_passes_on_the_settings_of_the_suite():
    """In a process of its own: the checks are registered by the app, not by an import of ours."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "django", "check", "--tag", "craftkit", "--settings=tests.settings"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


@pytest.mark.parametrize("alias", ["", "a/b", "a b", "x" * 65, "é", 7])
def test_e010_an_alias_that_is_no_part_of_an_address(alias):
    with override_settings(CRAFTKIT_PROJECTS={alias: GOOD}, CRAFTKIT={}):
        (message,) = found()
    assert message.id == "craftkit.E010"
    assert "64 letters" in message.hint


@pytest.mark.parametrize(
    "options",
    [
        {"PAUSED": "false"},
        {"PAUSED": None},
        {"THREADS": 0},
        {"THREADS": True},
        {"LEASE": -1},
        {"WEBHOOK_MAX_BYTES": "10MB"},
        {"DOWNLOAD_MAX_BYTES": None},
        {"WEBHOOK_TOLERANCE": 1.5},
    ],
    ids=str,
)
def test_e011_an_option_of_the_wrong_kind(options):
    with override_settings(CRAFTKIT_PROJECTS={"eu": GOOD}, CRAFTKIT=options):
        (message,) = found()
    assert message.id == "craftkit.E011"
    assert message.hint.startswith("Write ")


def test_e011_an_option_of_the_right_kind_is_passed_over():
    options = {"PAUSED": True, "THREADS": 1, "WEBHOOK_TOLERANCE": None}
    with override_settings(CRAFTKIT_PROJECTS={"eu": GOOD}, CRAFTKIT=options):
        assert found() == []


def test_w004_the_urls_are_included_nowhere():
    with override_settings(
        CRAFTKIT_PROJECTS={"eu": GOOD}, CRAFTKIT={}, ROOT_URLCONF="charter.urls"
    ):
        (message,) = found(deploy=True)
    assert message.id == "craftkit.W004"
    assert "include" in message.hint


def test_a_client_that_cannot_be_made_is_a_matter_of_configuration():
    projects = {"eu": {**GOOD, "BASE_URL": "ftp://craftkit.dev"}}
    with (
        override_settings(CRAFTKIT_PROJECTS=projects),
        pytest.raises(ImproperlyConfigured, match="'eu'"),
    ):
        get_client("eu")


@pytest.mark.parametrize("timeout", [60, (3, 117), [60, 60]])
def test_e012_a_call_may_outlast_its_lease(timeout):
    assert ids(about_project(TIMEOUT=timeout)) == ["craftkit.E012"]


def test_e013_users_live_elsewhere(monkeypatch):
    class Router:
        def db_for_write(self, model, **hints):
            return "other" if model._meta.app_label == "auth" else None

    with override_settings(
        CRAFTKIT_PROJECTS={"eu": GOOD}, CRAFTKIT={}, DATABASE_ROUTERS=[Router()]
    ):
        assert ids(found()) == ["craftkit.E013"]


def test_an_archive_that_may_be_public_is_told(settings):
    settings.STORAGES = {**settings.STORAGES}
    del settings.STORAGES["craftkit"]
    (message,) = [one for one in found(deploy=True) if one.id == "craftkit.W005"]
    assert "private" in message.hint
    assert not [one for one in found() if one.id == "craftkit.W005"]


def test_w006_anchors_are_to_be_checked_without_pypdf(settings, monkeypatch):
    monkeypatch.setattr("django_craftkit.pdf.reading.is_available", lambda: False)
    for how, warns in (("refuse", True), ("warn", True), ("off", False), (None, False)):
        settings.CRAFTKIT = {"CHECK_ANCHORS": how}
        assert ("craftkit.W006" in {one.id for one in found(deploy=True)}) == warns, how
    settings.CRAFTKIT = {"CHECK_ANCHORS": "strict"}
    assert "craftkit.E011" in {one.id for one in found()}


@pytest.mark.parametrize(
    ("policy", "warns"),
    [
        ({"frame-src": ["https://embed.craftkit.dev"]}, False),
        ({"frame-src": "https: data:"}, False),
        ({"default-src": ("'self'",), "child-src": {"https://*.craftkit.dev"}}, False),
        ({"script-src": ["'self'"]}, False),
        ({"default-src": ["'self'"]}, True),
        ({"default-src": ["https:"], "frame-src": ["'none'"]}, True),
        ({"default-src": ["'self'"], "frame-src": 7}, True),
        (None, False),
    ],
    ids=str,
)
def test_w010_a_policy_that_shows_no_page_of_craftkits(settings, policy, warns):
    settings.SECURE_CSP = policy
    for base_url in ("", "https://api.craftkit.dev"):
        told = about_project(BASE_URL=base_url, deploy=True)
        assert ("craftkit.W010" in ids(told)) is warns
    # Nobody knows where this one has them.
    assert "craftkit.W010" not in ids(about_project(BASE_URL="https://pdf.example", deploy=True))


def test_e014_a_declaration_of_a_project_that_is_not_configured(declare, event):
    @declare(event, template="invoice", key=str, project="eu")
    def lost(order, **kwargs):
        return {}

    assert about_project() == []
    with override_settings(CRAFTKIT_PROJECTS={"default": GOOD}):
        (message,) = found()
    assert (message.id, message.level) == ("craftkit.E014", checks.ERROR)
    assert "tests.test_checks.lost" in message.msg
    assert __file__ in message.msg
    assert "'eu'" in message.msg
    assert "default" in message.hint


class TestTemplates:
    """What is declared is compared with the copy of Craftkit's templates, where databases are."""

    @pytest.fixture
    def declared(self, declare, event):
        """Declare invoices, but for these arguments."""

        def declared(signal: Any = event, **options) -> None:
            options = {"template": "invoice", "key": str, "name": "bills", **options}
            declare(signal, **options)(lambda order, **kwargs: {})

        return declared

    @pytest.fixture
    def copy(self, db):
        """Write what is known of templates, each a slug with other columns than these."""

        def copy(*slugs: str, project: str = "default", **columns) -> None:
            columns = {"published": True, "version": 2, **columns}
            for slug in slugs:
                Template.objects.create(project=project, slug=slug, **columns)

        return copy

    def told(self, *databases: str) -> list[checks.CheckMessage]:
        return check_templates(databases=databases or ["default"])

    @pytest.mark.parametrize("gone_at", [None, datetime(2031, 5, 3, tzinfo=UTC)])
    def test_w007_a_template_that_is_not_there(self, declared, copy, gone_at):
        copy("report", "receipt")
        if gone_at:
            copy("invoice", gone_at=gone_at)
        declared()
        (message,) = self.told()
        assert (message.id, message.level) == ("craftkit.W007", checks.WARNING)
        for text in ("bills", "'invoice'", __file__):
            assert text in message.msg
        assert "receipt, report" in message.hint

    def test_w008_a_template_that_is_not_published(self, declared, copy):
        copy("invoice", published=False, version=None)
        declared()
        assert ids(self.told()) == ["craftkit.W008"]

    @pytest.mark.parametrize(
        ("pinned", "warns"), [(None, False), (1, False), (2, False), (3, True)]
    )
    def test_w009_a_version_that_is_not_there(self, declared, copy, pinned, warns):
        copy("invoice")
        declared(version=pinned)
        told = self.told()
        assert ids(told) == ["craftkit.W009"] * warns
        assert all("version=2" in message.hint for message in told)

    def test_a_number_that_craftkit_has_not_told_excludes_none(self, declared, copy):
        copy("invoice", version=None)
        declared(version=3)
        assert self.told() == []

    @pytest.mark.parametrize("columns", [None, {"project": "eu"}])
    def test_nothing_is_known_without_a_copy_of_the_project(self, declared, copy, columns):
        if columns is not None:
            copy("report", **columns)
        declared()
        assert self.told() == []

    def test_nothing_is_known_before_all_are_read(self, declared, craftkit, db):
        craftkit.put_template("report", {"variables": [], "loops": []})
        declared()
        Template.objects.refresh()
        craftkit.run()
        calls = len(craftkit.sandbox.requests)
        assert ids(self.told()) == ["craftkit.W007"]
        Template.objects.refresh()
        assert self.told() == []
        assert len(craftkit.sandbox.requests) == calls

    @pytest.mark.parametrize(
        ("copies", "told"),
        [
            ({"default": "report"}, []),
            ({"default": "report", "eu": "report"}, ["craftkit.W007"]),
            ({"default": "report", "eu": "invoice"}, []),
        ],
    )
    def test_a_function_may_name_any_project(self, declared, copy, settings, copies, told):
        settings.CRAFTKIT_PROJECTS = {"default": GOOD, "eu": GOOD}
        for project, slug in copies.items():
            copy(slug, project=project)
        declared(project=lambda order: "eu")
        assert ids(self.told()) == told

    def test_several_events_are_told_once(self, declared, copy, event):
        copy("report")
        declared([event, Signal()])
        assert ids(self.told()) == ["craftkit.W007"]

    def test_the_database_is_asked_where_it_is_named(
        self, declared, copy, django_assert_num_queries
    ):
        copy("report")
        declared()
        with django_assert_num_queries(0):
            assert found() == []
            assert self.told("other") == []
            assert check_templates() == []

    @pytest.mark.django_db(databases=["default", "other"])
    @pytest.mark.parametrize(
        ("options", "is_told"),
        [
            ([], False),
            (["--tag", "craftkit"], False),
            (["--database", "other"], False),
            (["--database", "default"], True),
        ],
        ids=str,
    )
    def test_it_is_a_check_of_databases(self, declared, copy, options, is_told):
        copy("report")
        declared()
        out = StringIO()
        call_command("check", *options, stdout=out, stderr=out)
        assert ("craftkit.W007" in out.getvalue()) == is_told

    def test_many_declarations_cost_no_query_each(self, declared, copy, django_assert_num_queries):
        copy("report", "receipt")
        for number in range(20):
            declared(template=f"letter-{number}", name=f"letters {number}")
        with django_assert_num_queries(3):
            assert len(self.told()) == 20

    def test_tables_that_are_not_there_break_no_transaction(self, declared, copy, monkeypatch):
        copy("report")
        declared()
        with monkeypatch.context() as patch:
            patch.setattr(Template._meta, "db_table", "craftkit_nowhere")
            assert self.told() == []
        assert Template.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_database_that_is_away_is_passed_over(self, declared, monkeypatch):
        declared()
        connection.close()
        with monkeypatch.context() as patch:
            patch.setattr(connection, "get_new_connection", _refuse)
            assert self.told() == []
        assert self.told() == []

    def test_what_breaks_the_callers_transaction_is_raised(self, declared, copy):
        declared()
        with transaction.atomic():
            transaction.set_rollback(True)
            with pytest.raises(transaction.TransactionManagementError):
                self.told()


def _refuse(*args: object) -> None:
    raise OperationalError("it is away")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ("django_craftkit.downloads.own_documents", []),
        ("django_craftkit.downloads.has_permission", []),
        ("nowhere.rule", ["craftkit.E017"]),
        ("django_craftkit.downloads.nothing", ["craftkit.E017"]),
        ("django_craftkit.downloads", ["craftkit.E017"]),
        ("odd", ["craftkit.E017"]),
        (7, ["craftkit.E011"]),
    ],
)
def test_who_may_download_is_said_by_a_function(given, expected):
    with override_settings(CRAFTKIT_PROJECTS={"eu": GOOD}, CRAFTKIT={"DOWNLOAD_PERMISSION": given}):
        assert ids(found()) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ("tests.resolvers.Store", []),
        # It is not made: that may need a store of secrets, or the database.
        ("tests.resolvers.Refuses", []),
        ("nowhere.Store", ["craftkit.E018"]),
        ("tests.resolvers.NoList", ["craftkit.E018"]),
        ("tests.resolvers.PATH", ["craftkit.E018"]),
        (7, ["craftkit.E011"]),
    ],
)
def test_projects_are_looked_up_by_a_class(given, expected):
    with override_settings(CRAFTKIT_PROJECTS={"eu": GOOD}, CRAFTKIT={"PROJECT_RESOLVER": given}):
        assert ids(found()) == expected


def test_a_resolver_is_enough_and_no_check_asks_it(declare, event, store, settings):
    @declare(event, template="invoice", project="acme")
    def invoice(sender, **kwargs):
        """Make nothing."""

    settings.CRAFTKIT_PROJECTS = {}
    assert ids(found()) == []
    assert (store.asked, store.listed) == ([], [])
