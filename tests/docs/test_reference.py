"""What the documentation lists is what there is: no more, no less."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re
from inspect import Parameter, signature
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands

from django_craftkit import client, conf, models, signals, signing
from django_craftkit.client import CraftkitError
from django_craftkit.events import render_on
from django_craftkit.models.render import RenderManager
from django_craftkit.reconcile import deliveries
from django_craftkit.reconcile.renders.states import RANK
from django_craftkit.sandbox import cli, faults
from django_craftkit.templatetags import craftkit as tags
from django_craftkit.testing import Kit
from tests.docs import pages
from tests.docs.pages import DOCS, PAGES, ROOT, name_of, table


def value(cell: str) -> Any:
    """Return what a cell of a table says in backticks."""
    return ast.literal_eval(cell.strip("`"))


# Settings, checks, permissions.


def test_every_option_is_documented_with_its_default():
    rows = table("docs/settings.md", "key", "type", "unit", "default")
    defaults = {name: value(row["default"]) for name, row in rows.items()}
    assert defaults == dataclasses.asdict(conf.Options())


def test_every_key_of_a_project_is_documented_with_its_default():
    rows = table("docs/settings.md", "key", "type", "default", "meaning")
    assert set(rows) == conf.PROJECT_KEYS
    assert value(rows["BASE_URL"]["default"]) == conf.DEFAULT_BASE_URL
    assert value(rows["TIMEOUT"]["default"]) == conf.DEFAULT_TIMEOUT


def test_every_system_check_is_documented():
    modules = (pages.ROOT / "django_craftkit").rglob("checks.py")
    code = "".join(module.read_text() for module in modules)
    in_code = set(re.findall(r'id="(craftkit\.[EW]\d{3})"', code))
    assert set(table("docs/settings.md", "id", "means")) == in_code
    for page in PAGES:
        assert set(re.findall(r"craftkit\.[EW]\d{3}", page.read_text())) <= in_code, name_of(page)


def test_every_permission_is_documented():
    config = apps.get_app_config("craftkit")
    own = {codename for model in config.get_models() for codename, _ in model._meta.permissions}
    shown = [model for model in config.get_models() if model in admin.site._registry]
    views = {f"view_{model._meta.model_name}" for model in shown}
    adds = {"add_share", "add_signaturerequest"}
    documented = set(table("docs/staff.md", "permission", "allows"))
    assert documented == {f"craftkit.{name}" for name in own | views | adds}


def test_the_actions_of_the_admin_are_named_as_they_are():
    told = " ".join(
        row["allows"] for row in table("docs/staff.md", "permission", "allows").values()
    )
    for model, page in admin.site._registry.items():
        if model._meta.app_label != "craftkit":
            continue
        for name in page.actions or ():
            assert f'"{getattr(page, name).short_description}"' in told


# Names.


def test_every_signal_is_documented_with_its_sender():
    rows = table("docs/signals.md", "signal", "sender")
    assert set(rows) == set(signals.SIGNALS)
    for name, row in rows.items():
        senders = {"document": ("`Render`", "`SignatureRequest`"), "email": ("`Share`",)}
        family = name.partition("_")[0]
        for sender in row["sender"].split(" or "):
            assert sender in senders.get(family, [sender])
            assert family in senders or sender.strip("`").lower().startswith(family)


@pytest.mark.parametrize(
    ("page", "column", "choices"),
    [
        ("docs/documents.md", "final", {*models.Render.Status.values, *models.Share.Status.values}),
        ("docs/signatures.md", "ended", set(models.SignatureRequest.Status.values)),
        ("docs/webhooks.md", "meaning", set(models.WebhookDelivery.Status.values)),
    ],
)
def test_every_status_is_documented(page: str, column: str, choices: set[str]):
    assert set(table(page, "status", column)) == choices


def test_final_statuses_are_told_as_such():
    rows = table("docs/documents.md", "status", "final")
    final = {name for name, row in rows.items() if row["final"] == "yes"}
    assert final == {str(status.value) for status in (*models.Render.FINAL, *models.Share.FINAL)}
    rows = table("docs/signatures.md", "status", "ended")
    ended = {name for name, row in rows.items() if row["ended"] == "yes"}
    assert ended == {str(status.value) for status in models.SignatureRequest.FINAL}


def test_the_ranks_are_told_in_their_order():
    told = re.search(r"lowest first:(.+?)\.", pages.read("docs/how-it-works.md"), re.S)
    assert told
    assert re.findall(r"`(\w+)`", told[1]) == [status.value for status in RANK]


def test_every_tag_is_documented():
    assert set(table("docs/templates.md", "tag", "what it gives")) == set(tags.register.tags)


def test_every_command_is_documented():
    ours = {name for name, app in get_commands().items() if app == "django_craftkit"}
    told = " ".join(page.read_text() for page in PAGES if name_of(page) != "docs/roadmap.md")
    named = set(re.findall(r"\bcraftkit_[a-z_]+\b", told))
    assert ours <= named
    of_benchmarks = {"craftkit_fill"}
    known = ours | of_benchmarks | set(tags.register.tags)
    assert named <= known, "these are neither commands nor tags"


def test_every_class_of_a_badge_is_one_of_a_status():
    told = " ".join(page.read_text() for page in PAGES)
    classes = set(re.findall(r"craftkit-badge--([a-z]+)", told))
    assert classes
    assert classes <= {*models.Render.Status.values, *models.SignatureRequest.Status.values}


def test_the_event_of_the_badge_is_named_as_it_is():
    (block,) = [one for one in pages.blocks("js") if one.page.name == "templates.md"]
    (name,) = re.findall(r'addEventListener\("([^"]+)"', block.text)
    script = pages.read("django_craftkit/static/django_craftkit/badges.js")
    assert f'CustomEvent("{name}"' in script
    for detail in re.findall(r"event\.detail\.(\w+)", pages.read("docs/templates.md")):
        assert re.search(rf"detail: {{[^}}]*\b{detail}\b", script)


def test_every_error_of_the_client_is_documented():
    errors = {
        name
        for name in client.__all__
        if isinstance(getattr(client, name), type)
        and issubclass(getattr(client, name), CraftkitError)
    }
    assert set(table("docs/client.md", "error", "means")) == errors


def test_the_families_of_events_to_subscribe_to_are_those_that_are_applied():
    applied = {event.partition(".")[0] for event in deliveries._READERS}
    told = pages.read("docs/webhooks.md")
    (subscribed,) = re.findall(r"subscribe it to all events of (.+?), and", told, re.S)
    (named,) = re.findall(r"((?:`\w+\.\*`(?:, | and )?)+) are applied", told)
    assert set(re.findall(r"\w+", subscribed)) - {"and"} == applied
    assert set(re.findall(r"`(\w+)\.", named)) == applied


# Arguments.


@pytest.mark.parametrize(
    ("page", "function"),
    [
        ("docs/events.md", render_on),
        ("docs/documents.md", RenderManager.request),
        ("docs/documents.md", models.Render.share),
        ("docs/signatures.md", models.Render.send_for_signature),
    ],
)
def test_every_argument_is_documented_with_its_default(page: str, function: Any):
    expected = {
        name: parameter.default
        for name, parameter in signature(function).parameters.items()
        if name != "self"
    }
    tables = pages.tables(page, "argument", "type", "default")
    (rows,) = [rows for rows in tables if set(rows) == set(expected)]
    for name, default in expected.items():
        told = rows[name]["default"]
        if told == "–":
            assert default is Parameter.empty
        elif told.startswith("`"):
            assert value(told) == default


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("of a recipient", signing.Recipient),
        ("of an anchor tag", signing.AnchorTag),
        ("of a field", signing.SignatureField),
    ],
)
def test_every_part_of_an_envelope_is_documented_with_its_default(heading: str, kind: Any):
    rows = table("docs/signatures.md", heading, "type", "default")
    told = {
        name: dataclasses.MISSING if row["default"] == "–" else value(row["default"])
        for name, row in rows.items()
    }
    assert told == {field.name: field.default for field in dataclasses.fields(kind)}


def test_every_option_of_the_sandbox_is_documented():
    parser = argparse.ArgumentParser(add_help=False)
    cli.add_arguments(parser)
    in_code = {option for action in parser._actions for option in action.option_strings}
    rows = table("docs/sandbox.md", "option", "default")
    assert {name.split()[0] for name in rows} == in_code


def test_every_kind_and_setting_of_a_fault_is_documented():
    kinds = table("docs/sandbox.md", "kind", "what happens")
    assert set(kinds) == faults.KINDS
    told = " ".join(table("docs/sandbox.md", "setting", "type", "default"))
    named = set(re.findall(r"\w+", told))
    assert named == {field.name for field in dataclasses.fields(faults.Fault)} - {"id"}


def test_everything_of_the_kit_is_documented():
    rows = table("docs/testing.md", "name", "does")
    named = {re.sub(r"\(.*", "", name).removeprefix("craftkit.") for name in rows}
    assert named == {name for name in (*vars(Kit), "sandbox") if not name.startswith("_")}


# Links.


def links(*, pictures: bool) -> list[Any]:
    return [
        pytest.param(link, id=str(link))
        for link in pages.links()
        if link.is_picture is pictures and "://" not in link.target
    ]


@pytest.mark.parametrize("link", links(pictures=False))
def test_a_link_leads_somewhere(link: pages.Link):
    name, _, anchor = link.target.partition("#")
    target = (link.page.parent / name).resolve() if name else link.page
    assert target.is_file()
    assert target.is_relative_to(ROOT)
    if anchor:
        assert anchor in pages.anchors(target)


@pytest.mark.parametrize("link", links(pictures=True))
def test_a_picture_is_there(link: pages.Link):
    assert (link.page.parent / link.target).is_file()


def test_every_page_is_in_the_table_of_contents():
    (contents,) = re.findall(r"\A(.+)\Z", pages.read("docs/index.md"), re.S)
    listed = set(re.findall(r"^([a-z-]+)$", contents, re.M))
    assert listed == {page.stem for page in DOCS.glob("*.md")} - {"index"}


def test_nothing_of_this_machine_is_told():
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(root|tmp|home)/", page.read_text()), name_of(page)
