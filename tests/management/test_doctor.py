"""The doctor for machines: what stays the same, whatever its sentences say."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError

from django_craftkit.management.doctor import Check
from django_craftkit.reconcile.sweeping import note_sweep

from .test_commands import MINUTE, due, pause

KEYS = {"check", "level", "project", "what", "problem", "fix"}


def examined(*arguments: str) -> tuple[dict, bool]:
    out = StringIO()
    try:
        call_command("craftkit_doctor", "--json", *arguments, stdout=out, no_color=True)
    except CommandError:
        return json.loads(out.getvalue()), False
    return json.loads(out.getvalue()), True


@pytest.fixture
def well(craftkit):
    for slug in ("invoice", "delivery-note", "report", "charter-handover"):
        craftkit.sandbox.put_any_template(slug)
    note_sweep()
    return craftkit


def test_machines_read_one_object_where_all_is_well(well):
    told, is_well = examined()
    assert is_well
    assert told["problems"] == 0
    assert {one["level"] for one in told["findings"]} == {"ok"}
    for one in told["findings"]:
        assert one.keys() == KEYS
        assert one["check"] in set(Check)
        assert one["problem"] == one["fix"] == ""


def test_machines_learn_check_project_problem_and_fix(well, settings):
    default = settings.CRAFTKIT_PROJECTS["default"]
    settings.CRAFTKIT_PROJECTS = {"default": default, "eu": {**default, "WEBHOOK_SECRETS": []}}
    pause("default", reason="No credits.")
    due(since=MINUTE * 60)
    told, is_well = examined()
    assert not is_well
    wrong = [one for one in told["findings"] if one["level"] == "error"]
    assert told["problems"] == len(wrong)
    assert {(one["check"], one["project"]) for one in wrong} == {
        ("webhook_secrets", "eu"),
        ("worker", "eu"),
        ("pause", "default"),
    }
    assert all(one["problem"] and one["fix"] for one in wrong)


def test_what_is_printed_names_the_check(well):
    well.sandbox.revoke_key("ck_test_default")
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("craftkit_doctor", stdout=out, no_color=True)
    assert "[api_key]" in out.getvalue()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_lost_on_the_way_is_a_finding(well, monkeypatch, error):
    def lost(*args: object, **kwargs: object) -> None:
        raise error("connection already closed")

    monkeypatch.setattr("django_craftkit.management.doctor.check_work", lost)
    told, is_well = examined()
    assert not is_well
    assert [one["check"] for one in told["findings"] if one["level"] == "error"] == ["tables"]
