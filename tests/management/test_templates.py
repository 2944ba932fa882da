"""``craftkit_templates``: files of a repository and Craftkit's templates."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from django_craftkit.management.template_files import Content, differences
from django_craftkit.models import Job, Template
from django_craftkit.projects import get_client

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

NUMBER = {"key": "number", "label": "Number", "dataType": "text", "required": True}
TOTAL = {"key": "total", "label": "Total", "dataType": "currency", "required": False}
LINES = {
    "key": "lines",
    "label": "Lines",
    "itemFields": [{"key": "text", "label": "Text", "dataType": "text", "required": False}],
}


def manifest(*variables: Any, loops: Any = ()) -> dict[str, Any]:
    return {"variables": list(variables), "loops": list(loops)}


@pytest.fixture(autouse=True)
def _strict(craftkit):
    """Have Craftkit make up no templates."""
    craftkit.sandbox.state.lenient = False


@pytest.fixture
def run(tmp_path):
    """Run the command in a directory of its own; return what it said, and whether all was well."""

    def run(act: str, *arguments: str) -> tuple[str, bool]:
        out = StringIO()
        where = [] if act == "list" else ["--dir", str(tmp_path / "templates")]
        try:
            call_command("craftkit_templates", act, *arguments, *where, stdout=out, stderr=out)
        except CommandError as error:
            return f"{out.getvalue()}{error}", False
        return out.getvalue(), True

    return run


@pytest.fixture
def file(tmp_path):
    def file(slug: str = "invoice") -> Path:
        path: Path = tmp_path / "templates" / f"{slug}.json"
        path.parent.mkdir(exist_ok=True)
        return path

    return file


def write(path: Path, *variables: Any, **more: Any) -> None:
    body = {"name": "Invoice", "manifest": manifest(*variables), **more}
    path.write_text(json.dumps(body), encoding="utf-8")


def version(slug: str = "invoice") -> int | None:
    return get_client().templates.get(slug).current_version_number


class TestList:
    def test_shows_each_template_and_what_uses_it(self, craftkit, run):
        craftkit.put_template("invoice", manifest(NUMBER))
        craftkit.put_template("invoice", manifest(NUMBER))
        craftkit.sandbox.put_template("draft", manifest=None)
        said, is_well = run("list")
        rows = {line.split()[0]: line.split() for line in said.splitlines()}
        assert is_well
        assert rows["invoice"][:3] == ["invoice", "2", "yes"]
        # Other modules of tests may declare documents of it as well.
        assert "tests.shop.craftkit.invoice" in rows["invoice"]
        assert rows["draft"] == ["draft", "–", "no", "–"]
        assert rows["report"] == ["report", "–", "not", "there", "tests.shop.craftkit.report"]

    def test_of_a_project_that_is_not_there_says_which_there_are(self, craftkit, run):
        said, is_well = run("list", "--project", "nowhere")
        assert not is_well
        assert "nowhere" in said
        assert "default" in said


class TestPull:
    def test_writes_a_file_for_each_template(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER, loops=[LINES]), description="Bills.")
        craftkit.put_template("report", manifest(TOTAL))
        said, is_well = run("pull")
        assert is_well, said
        assert json.loads(file("invoice").read_text()) == {
            "name": get_client().templates.get("invoice").name,
            "description": "Bills.",
            "manifest": manifest(NUMBER, loops=[LINES]),
        }
        assert file("report").exists()
        assert sorted(one.name for one in file().parent.iterdir()) == [
            "invoice.json",
            "report.json",
        ]

    def test_writes_the_same_bytes_whatever_order_craftkit_says_it_in(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest({**NUMBER, "zeta": 1, "alpha": "é"}))
        run("pull")
        first = file().read_bytes()
        file().unlink()
        backwards = dict(reversed({**NUMBER, "zeta": 1, "alpha": "é"}.items()))
        craftkit.put_template("invoice", manifest(backwards))
        run("pull")
        assert file().read_bytes() == first
        assert "é" in first.decode()
        assert first.endswith(b"}\n")

    def test_leaves_a_file_that_says_the_same(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER), name="Invoice")
        write(file(), NUMBER)
        before = file().read_bytes()
        said, _ = run("pull")
        assert "0 files written" in said
        assert file().read_bytes() == before

    def test_keeps_the_layout_that_only_the_file_knows(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER, TOTAL))
        write(file(), NUMBER, layout={"pages": []}, pageConfig={"format": "A5"})
        run("pull")
        body = json.loads(file().read_text())
        assert body["manifest"] == manifest(NUMBER, TOTAL)
        assert (body["layout"], body["pageConfig"]) == ({"pages": []}, {"format": "A5"})

    def test_writes_only_what_was_named(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER))
        craftkit.put_template("report", manifest(NUMBER))
        run("pull", "report")
        assert not file("invoice").exists()
        assert file("report").exists()

    def test_passes_over_what_is_not_published(self, craftkit, run, file):
        craftkit.sandbox.put_template("draft", manifest=None)
        said, is_well = run("pull")
        assert is_well
        assert "no version" in said
        assert not file("draft").exists()

    def test_of_one_that_is_not_there_is_an_error(self, craftkit, run):
        said, is_well = run("pull", "invoice")
        assert not is_well
        assert "invoice" in said

    def test_writes_nothing_outside_of_its_directory(self, craftkit, run, tmp_path):
        there = {"id": "9b2f7a52-5f0e-4f4a-9d53-111111111111", "name": "x", "published": True}
        body = json.dumps({"templates": [{**there, "slug": "../evil"}]})
        craftkit.sandbox.faults.add("status", status=200, path="/v1/templates", body=body)
        run("pull")
        assert not list(tmp_path.rglob("evil*"))
        assert not run("pull", "../evil")[1]

    def test_of_a_manifest_that_cant_be_read_leaves_the_file(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER))
        craftkit.put_template("report", manifest(NUMBER))
        run("pull")
        before = file().read_bytes()
        there = {"id": "9b2f7a52-5f0e-4f4a-9d53-111111111111", "name": "x", "published": True}
        body = json.dumps({**there, "slug": "invoice", "manifest": "x"})
        craftkit.sandbox.faults.add("status", status=200, path="/v1/templates/invoice", body=body)
        assert not run("pull")[1]
        assert file().read_bytes() == before


class TestPush:
    def test_publishes_what_differs_and_says_what_that_is(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER), name="Invoice")
        craftkit.put_template("report", manifest(NUMBER), name="Invoice")
        write(file("invoice"), {**NUMBER, "required": False}, TOTAL)
        write(file("report"), NUMBER)
        said, is_well = run("push")
        assert is_well, said
        assert "+ variable total (currency)" in said
        assert "~ variable number: required yes → no" in said
        assert (version("invoice"), version("report")) == (2, 1)
        assert run("check")[1]

    def test_twice_publishes_once(self, craftkit, run, file):
        write(file(), NUMBER)
        run("push")
        said, _ = run("push")
        assert "0 of 1" in said
        assert version() == 1

    def test_by_force_publishes_what_does_not_differ(self, craftkit, run, file):
        write(file(), NUMBER)
        run("push")
        run("push", "--force")
        assert version() == 2

    def test_makes_what_is_not_there(self, run, file):
        write(file(), NUMBER, description="Bills.")
        assert run("push", "invoice")[1]
        there = get_client().templates.get("invoice")
        assert (there.name, there.description, version()) == ("Invoice", "Bills.", 1)

    def test_says_that_a_layout_is_made_anew(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER))
        write(file(), TOTAL)
        assert "layout" in run("push")[0]
        write(file(), NUMBER, layout={"pages": []})
        assert "layout" not in run("push")[0]

    def test_publishes_nothing_where_one_file_is_none(self, craftkit, run, file):
        write(file("a"), NUMBER)
        file("b").write_text("{")
        assert not run("push")[1]
        assert get_client().templates.list() == []

    def test_that_is_refused_says_of_what(self, craftkit, run, file):
        write(file(), {**NUMBER, "dataType": "sound"})
        said, is_well = run("push")
        assert not is_well
        assert "dataType" in said

    def test_without_an_answer_says_that_it_may_have_been_published(self, craftkit, run, file):
        write(file(), NUMBER)
        craftkit.sandbox.faults.add("cut_after", path="/v1/templates/invoice", method="PUT")
        said, is_well = run("push")
        assert not is_well
        assert "run check" in said
        assert run("check")[1], "it was"

    def test_has_the_mirror_read_it(self, craftkit, run, file):
        write(file(), NUMBER)
        run("push")
        craftkit.run()
        assert Template.objects.get(slug="invoice").version == 1
        run("push")
        assert not Job.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_needs_no_database(self, craftkit, run, file, monkeypatch):
        def away(*args: Any) -> None:
            raise OperationalError("no such host")

        monkeypatch.setattr(type(Template.objects), "refresh", away)
        write(file(), NUMBER)
        said, is_well = run("push")
        assert is_well
        assert "no such host" in said

    def test_never_says_the_key(self, craftkit, run, file):
        craftkit.sandbox.revoke_key("ck_test_default")
        write(file(), NUMBER)
        for act in ("list", "pull", "push", "check"):
            said, is_well = run(act)
            assert not is_well
            assert "ck_test_default" not in said


class TestCheck:
    def test_is_content_with_what_is_the_same(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER, loops=[LINES]))
        craftkit.put_template("other", manifest())
        run("pull", "invoice")
        said, is_well = run("check")
        assert is_well
        assert "other" in said

    def test_tells_what_differs(self, craftkit, run, file):
        craftkit.put_template("invoice", manifest(NUMBER, loops=[LINES]), name="Invoice")
        write(file(), TOTAL)
        said, is_well = run("check")
        assert not is_well
        assert "- variable number (text, required)" in said
        assert "+ variable total (currency)" in said
        assert "- loop lines (text)" in said
        assert version() == 1

    def test_of_what_is_not_there_fails(self, craftkit, run, file):
        write(file(), NUMBER)
        assert not run("check")[1]

    def test_without_files_fails(self, craftkit, run):
        said, is_well = run("check")
        assert not is_well
        assert "--dir" in said

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("", "line 1, column 1"),
            ('{\n  "name": oops\n}', "line 2, column 11"),
            ("[]", "object"),
            ('{"name": "x"}', "manifest"),
            ('{"name": 5, "manifest": {"variables": [], "loops": []}}', "name"),
            ('{"name": "x", "manifset": {}}', "manifset"),
            ('{"name": "x", "manifest": {"variables": {}, "loops": []}}', "manifest.variables"),
            ('{"name": "x", "manifest": {"variables": []}}', "manifest.loops"),
            (json.dumps({"name": "x", "manifest": manifest(NUMBER, 5)}), "manifest.variables[1]"),
            (
                json.dumps({"name": "x", "manifest": manifest({**NUMBER, "dataType": 1})}),
                "manifest.variables[0].dataType",
            ),
            (
                json.dumps({"name": "x", "manifest": manifest({**NUMBER, "required": "yes"})}),
                "manifest.variables[0].required",
            ),
            (
                json.dumps({"name": "x", "manifest": manifest(NUMBER, NUMBER)}),
                "manifest.variables[1].key",
            ),
            (
                json.dumps({"name": "x", "manifest": manifest(loops=[{**LINES, "key": "a.b"}])}),
                "manifest.loops[0].key",
            ),
            (
                json.dumps(
                    {"name": "x", "manifest": manifest(loops=[{**LINES, "itemFields": []}])}
                ),
                "manifest.loops[0].itemFields",
            ),
            ("[" * 2000, "invoice.json"),
        ],
        ids=str,
    )
    def test_names_the_file_and_the_place_where_it_is_none(self, craftkit, run, file, text, place):
        file().write_text(text)
        said, is_well = run("check")
        assert not is_well
        assert f"{file()}" in said
        assert place in said

    def test_names_a_file_that_is_no_text(self, craftkit, run, file):
        file().write_bytes(b"\xff\xfe")
        assert str(file()) in run("check")[0]

    def test_names_a_file_that_is_not_there(self, craftkit, run, file):
        said, is_well = run("check", "invoice")
        assert not is_well
        assert str(file()) in said


class TestDifferences:
    def content(self, *variables: Any, loops: Any = (), name: str = "x") -> Content:
        return Content(name, "", manifest(*variables, loops=loops))

    @pytest.mark.parametrize(
        ("before", "after", "told"),
        [
            ((NUMBER,), (NUMBER,), []),
            ((), (TOTAL,), ["+ variable total (currency)"]),
            ((NUMBER, TOTAL), (TOTAL,), ["- variable number (text, required)"]),
            ((NUMBER, TOTAL), (TOTAL, NUMBER), ["~ variables: in another order"]),
            (
                (TOTAL,),
                ({**TOTAL, "dataType": "number", "format": "money:EUR"},),
                ["~ variable total: type 'currency' → 'number'; format none → 'money:EUR'"],
            ),
            ((TOTAL,), ({**TOTAL, "new": 1},), ["~ variable total: new"]),
        ],
    )
    def test_of_variables(self, before, after, told):
        assert differences(self.content(*before), self.content(*after)) == told

    def test_of_loops_and_their_fields(self):
        other = {**LINES, "label": "Rows", "itemFields": [TOTAL]}
        assert differences(self.content(loops=[LINES]), self.content(loops=[other])) == [
            "~ loop lines: label 'Lines' → 'Rows'",
            "- loop lines: field text (text)",
            "+ loop lines: field total (currency)",
        ]

    def test_of_names(self):
        assert differences(self.content(), self.content(name="y")) == ["~ name: 'x' → 'y'"]

    def test_of_what_this_version_does_not_know(self):
        other = Content("x", "", {**manifest(), "styles": {}})
        assert len(differences(self.content(), other)) == 1
