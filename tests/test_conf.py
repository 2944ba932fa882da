"""The settings: read when they are used, wrong ones refused in words, secrets kept secret."""

from __future__ import annotations

import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_craftkit import conf, credentials
from django_craftkit.projects import get_client

SECRET = "open-sesame"


def project(**given) -> conf.Project:
    with override_settings(CRAFTKIT_PROJECTS={"default": given}):
        return credentials.project("default")


class TestOptions:
    def test_have_defaults(self):
        with override_settings(CRAFTKIT={}):
            assert conf.options() == conf.Options()
            assert conf.options().WEBHOOK_TOLERANCE == 86_400
            assert conf.options().PAUSED is False

    def test_may_be_left_out(self, settings):
        del settings.CRAFTKIT
        assert conf.options() == conf.Options()

    def test_are_read_when_they_are_used(self):
        with override_settings(CRAFTKIT={"THREADS": 9}):
            assert conf.options().THREADS == 9
        assert conf.options().THREADS == 16

    def test_with_an_unknown_key_are_refused(self):
        wrong = override_settings(CRAFTKIT={"THREDS": 9, 7: 1})
        with wrong, pytest.raises(ImproperlyConfigured, match="7, THREDS"):
            conf.options()

    @pytest.mark.parametrize("given", [None, [], "THREADS", 7])
    def test_that_are_no_dict_are_refused(self, given):
        wrong = override_settings(CRAFTKIT=given)
        with wrong, pytest.raises(ImproperlyConfigured, match=r"^CRAFTKIT\b"):
            conf.options()


class TestProject:
    def test_has_defaults(self):
        assert project() == conf.Project(
            alias="default",
            api_key="",
            base_url="https://api.craftkit.dev",
            timeout=(3.05, 30.0),
            adapter=None,
        )

    def test_is_read_when_it_is_used(self):
        assert project(API_KEY="one").api_key == "one"
        assert project(API_KEY="two").api_key == "two"

    @pytest.mark.parametrize(
        ("given", "secrets"),
        [
            (None, ()),
            ([], ()),
            (["", " \t\n"], ()),
            ([None], ()),
            ((" one ", "", "two\n"), (b"one", b"two")),
            (["ключ"], ("ключ".encode(),)),
        ],
    )
    def test_strips_its_secrets_and_drops_empty_ones(self, given, secrets):
        with override_settings(CRAFTKIT_PROJECTS={"default": {"WEBHOOK_SECRETS": given}}):
            assert credentials.webhook_secrets("default") == list(secrets)

    @pytest.mark.parametrize("given", ["whsec", b"whsec", 7, {"a": 1}, [b"whsec"], [7], [["a"]]])
    def test_refuses_secrets_that_are_no_list_of_strings(self, given):
        wrong = override_settings(CRAFTKIT_PROJECTS={"default": {"WEBHOOK_SECRETS": given}})
        with wrong, pytest.raises(ImproperlyConfigured, match="WEBHOOK_SECRETS"):
            credentials.webhook_secrets("default")

    @pytest.mark.parametrize("given", [None, "", "  "])
    def test_takes_an_empty_key_for_none(self, given):
        assert project(API_KEY=given).api_key == ""

    def test_strips_its_key(self):
        assert project(API_KEY=" ck_live_1\n").api_key == "ck_live_1"

    @pytest.mark.parametrize(
        ("given", "timeout"),
        [(5, (5, 5)), (1.5, (1.5, 1.5)), ([2, 3], (2, 3)), ((2, 3), (2, 3)), (None, (3.05, 30.0))],
    )
    def test_takes_one_timeout_or_two(self, given, timeout):
        assert project(TIMEOUT=given).timeout == timeout

    def test_takes_an_adapter_by_its_dotted_name(self):
        assert project(ADAPTER="requests.adapters.HTTPAdapter").adapter.__name__ == "HTTPAdapter"

    @pytest.mark.parametrize("projects", [None, {}, [], "default", 7, ["ck_live_open-sesame"]])
    def test_is_unknown_where_there_is_none(self, projects):
        with override_settings(CRAFTKIT_PROJECTS=projects):
            assert list(credentials.project_aliases()) == []
            with pytest.raises(conf.UnknownProject, match="'default'") as raised:
                credentials.project("default")
            assert SECRET not in str(raised.value)

    def test_is_unknown_where_the_setting_is_missing(self, settings):
        del settings.CRAFTKIT_PROJECTS
        assert list(credentials.project_aliases()) == []
        with pytest.raises(conf.UnknownProject, match="'default'"):
            credentials.project("default")

    def test_that_is_unknown_names_the_others(self):
        with (
            override_settings(CRAFTKIT_PROJECTS={"eu": {}, "us": {}}),
            pytest.raises(conf.UnknownProject, match=r"'default'.*: eu, us"),
        ):
            credentials.project("default")

    @pytest.mark.parametrize("given", [None, "ck_live_open-sesame", []])
    def test_that_is_no_dict_is_refused(self, given):
        with override_settings(CRAFTKIT_PROJECTS={"default": given}):
            with pytest.raises(ImproperlyConfigured, match="'default'") as raised:
                credentials.project("default")
            assert SECRET not in str(raised.value)


class TestSecrets:
    def test_are_in_no_repr(self):
        made = project(API_KEY=SECRET, WEBHOOK_SECRETS=[SECRET])
        assert SECRET not in repr(made)
        assert SECRET not in f"{made} {[made]}"
        assert "default" in repr(made)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"WEBHOOK_SECRETS": SECRET},
            {"WEBHOOK_SECRETS": [SECRET, 7]},
            {"ADAPTER": "no.such.module"},
            {"BASE_URL": "ftp://craftkit.dev"},
            {"TIMEOUT": (1, 2, 3)},
        ],
        ids=str,
    )
    def test_are_in_no_variable_of_an_error_page(self, wrong):
        given = {"API_KEY": SECRET, "WEBHOOK_SECRETS": [SECRET], **wrong}
        with override_settings(CRAFTKIT_PROJECTS={"default": given}):
            # Which of them are wrapped is the caller's business.
            read = credentials.webhook_secrets if "WEBHOOK_SECRETS" in wrong else get_client
            with pytest.raises(Exception) as raised:
                read("default")
            frames = [frame for frame, _ in traceback.walk_tb(raised.tb)][1:]
        shown = "".join(repr(value) for frame in frames for value in frame.f_locals.values())
        assert frames
        assert SECRET not in shown
        assert SECRET not in str(raised.value)


def test_a_missing_key_is_an_error_in_words_at_the_first_use():
    with (
        override_settings(CRAFTKIT_PROJECTS={"eu": {"API_KEY": " "}}),
        pytest.raises(ImproperlyConfigured, match=r"CRAFTKIT_PROJECTS\['eu'\] has no API_KEY"),
    ):
        get_client("eu")


def test_a_key_that_was_changed_makes_another_client():
    with override_settings(CRAFTKIT_PROJECTS={"default": {"API_KEY": "ck_test_one"}}):
        one = get_client()
        assert get_client() is one
    with override_settings(CRAFTKIT_PROJECTS={"default": {"API_KEY": "ck_test_two"}}):
        assert get_client() is not one


@pytest.fixture
def nothing_is_left():
    yield
    assert credentials.webhook_secrets("default") == [b"whsec-tests"]
    assert conf.options() == conf.Options(CHECK_ANCHORS="off")


def test_settings_are_given_back_that_the_kit_and_a_test_took_in_turns(
    nothing_is_left, settings, craftkit
):
    settings.CRAFTKIT = {"THREADS": 1}
    assert credentials.webhook_secrets("default") == [b"webhook secret of default"]
