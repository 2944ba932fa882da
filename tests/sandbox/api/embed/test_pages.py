"""What an iframe shows, and what its pages may do; a browser tries them in tests/browser."""

from __future__ import annotations

import json
import re

import pytest

from tests.sandbox.api.embed.conftest import REFRESH, SHOP, bearer, refusal
from tests.sandbox.conftest import DATA, INVOICE

BUILDER = "/embed/builder"


def config_of(page):
    return json.loads(
        re.search(r'<script type="application/json" id="config">(.*)</script>', page)[1]
    )


def manifest(*keys):
    variables = [{"key": key, "label": key, "dataType": "text"} for key in keys]
    return {"variables": variables, "loops": []}


@pytest.fixture
def save(guest):
    """What the builder's buttons do."""

    def save(action, session, name="Invoice", manifest=INVOICE, **headers):
        headers = bearer(session["session_token"], **headers)
        body = {"name": name, "manifest": manifest}
        return guest.post(f"{BUILDER}/{action}", body, headers=headers)

    return save


@pytest.mark.parametrize("mode", ["fill", "edit"])
def test_a_page_is_strict_and_tells_its_address_to_nobody(guest, mint, mode):
    session = mint(mode)

    page = guest.get(session["iframe_url"])

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors *" in policy
    assert not [rule for rule in policy if "unsafe" in rule]
    assert session["session_token"] not in page.text
    assert session["renew_token"] not in page.text


@pytest.mark.parametrize("mode", ["fill", "edit", "wrong"])
def test_only_origins_on_the_list_may_frame_a_page(guest, mint, sandbox, mode):
    sandbox.project().embed_origins = [SHOP, "https://admin.example.com"]
    url = mint("view" if mode == "wrong" else mode)["iframe_url"]

    page = guest.get(url.replace("builder", "form") if mode == "wrong" else url)

    policy = page.headers["Content-Security-Policy"].split("; ")
    assert f"frame-ancestors {SHOP} https://admin.example.com" in policy
    if mode != "wrong":
        assert config_of(page.text)["origins"] == [SHOP, "https://admin.example.com"]


def test_tokens_are_in_no_log(guest, api, mint, sandbox, caplog):
    caplog.set_level("DEBUG")
    session = mint()

    guest.get(session["iframe_url"])
    api.post(REFRESH, {"renewToken": session["renew_token"]})
    guest.get("/embed/form", headers=bearer(session["session_token"]))

    told = caplog.text + repr(sandbox.requests) + guest.get("/_sandbox/").text
    assert "/embed/form" in told
    for token in (session["session_token"], session["renew_token"]):
        assert token not in told


def test_a_form_has_a_field_for_each_variable_with_its_prefill(guest, mint, sandbox):
    variables = [
        {"key": f"a.{kind}", "label": f"<{kind}>", "dataType": kind}
        for kind in ("text", "longtext", "number", "date", "datetime", "boolean", "url", "email")
    ]
    variables.append({"key": "b", "label": "B", "dataType": "image", "required": True})
    sandbox.put_template("invoice", manifest={**INVOICE, "variables": variables})
    prefill = {"a.text": "</script>", "a": {"number": 1}, "lines": [{"what": "Rope"}]}

    page = guest.get(mint(form={"prefill": prefill})["iframe_url"]).text

    assert config_of(page)["values"] == {
        "a": {"text": "</script>", "number": 1},
        "lines": [{"what": "Rope"}],
    }
    for kind, tag in (
        ("text", 'input type="text"'),
        ("longtext", "textarea"),
        ("number", 'input type="number" step="any"'),
        ("date", 'input type="date"'),
        ("datetime", 'input type="datetime-local"'),
        ("boolean", 'input type="checkbox"'),
        ("url", 'input type="url"'),
        ("email", 'input type="email"'),
    ):
        assert re.search(rf'<{tag} [^>]*data-key="a.{kind}"', page), kind
        assert f"&lt;{kind}&gt;" in page
    assert re.search(r'<input type="file" accept="image/\*" [^>]*aria-required="true"', page)
    assert 'fieldset data-loop="lines"' in page


def test_a_page_that_can_not_be_opened_says_why(api, guest, mint, sandbox, clock):
    def status(session, page="form"):
        return guest.get(f"/embed/{page}?session_token={session['session_token']}").status_code

    fill, edit, view = mint(), mint("edit"), mint("view", scope={"mode": "view"})
    sandbox.put_template("letter", manifest=None)
    letter = api.get("/v1/templates/letter").json()["id"]

    assert (status(fill), status(edit, "builder")) == (200, 200)
    assert (status(edit), status(fill, "builder")) == (403, 403)
    assert status(view, "builder") == 404
    assert status(mint(scope={"mode": "fill", "templateExternalId": "invoice"})) == 404
    assert status(mint(scope={"mode": "fill", "templateId": letter})) == 409
    assert status({"session_token": "x"}) == guest.get("/embed/form").status_code == 401
    clock.advance(4 * 3600)
    assert (status(fill), status(edit, "builder")) == (401, 401)
    assert guest.get("/embed/other").status_code == 404


@pytest.mark.parametrize("why", ["disabled", "suspended", "gone"])
def test_no_page_opens_for_a_project_that_embeds_no_more(guest, mint, sandbox, why):
    session = mint()
    sandbox.project().embed_enabled = why != "disabled"
    sandbox.project().embed_suspended = why == "suspended"
    if why == "gone":
        sandbox.remove_project("default")

    assert guest.get(session["iframe_url"]).status_code == 401
    with pytest.raises(ValueError, match="embeds no more"):
        sandbox.submit_form(session["session_id"], DATA)


def test_a_page_knows_how_long_its_token_lasts(guest, mint, sandbox, clock):
    session = mint()
    clock.advance(60)
    assert config_of(guest.get(session["iframe_url"]).text)["secondsLeft"] == 4 * 3600 - 60

    sandbox.expire_embed_session(session["session_id"], 30)

    assert config_of(guest.get(session["iframe_url"]).text)["secondsLeft"] == 30


def test_the_document_is_shown_to_the_session_of_its_form(api, guest, mint, submit, sandbox):
    session, another = mint(), mint()
    path = f"/embed/form/document/{submit(session).json()['id']}"

    document = guest.get(path, headers=bearer(session["session_token"]))

    assert document.content.startswith(b"%PDF-")
    assert document.headers["Cache-Control"] == "no-store"
    hidden = guest.get(path, headers=bearer(another["session_token"]))
    assert refusal(hidden) == (404, "not_found")
    assert refusal(api.get(path)) == (401, "unauthorized")
    sandbox.render_time = None
    unfinished = f"/embed/form/document/{submit(session).json()['id']}"
    early = guest.get(unfinished, headers=bearer(session["session_token"]))
    assert refusal(early) == (404, "not_found")


def test_a_builder_offers_what_the_session_may_do(guest, mint):
    def buttons(mode, **permissions):
        page = guest.get(mint(mode, permissions=permissions)["iframe_url"]).text
        return re.findall(r'data-action="(\w+)"', page), " readonly" in page

    every = {"publish": True, "saveDraft": True, "rename": True}
    assert buttons("edit", **every) == (["publish", "draft"], False)
    assert buttons("edit", saveDraft=True) == (["draft"], True)
    assert buttons("create", publish=True) == (["publish"], False)
    assert buttons("view", **every) == ([], True)


def test_a_draft_is_for_the_builder_alone_until_it_is_published(api, guest, mint, save, sandbox):
    sandbox.put_template(
        "invoice",
        manifest=INVOICE,
        description="For customers",
        page_config={"format": "A5"},
        layout_texts=[{"page": 1, "x": 1, "y": 1, "text": "[[sign]]"}],
    )
    session = mint("edit", permissions={"publish": True, "saveDraft": True, "rename": True})

    draft = save("draft", session, "Bill", manifest("total"))

    before = api.get("/v1/templates/invoice").json()
    assert draft.json()["version"] == before["currentVersionNumber"] == 2
    assert (before["name"], before["manifest"]) == ("Invoice", INVOICE)
    page = guest.get(session["iframe_url"]).text
    assert config_of(page)["manifest"] == manifest("total")
    assert 'value="Bill"' in page

    published = save("publish", session, "Bill", manifest("total", "tax"))

    assert published.json() == {
        "templateId": before["id"],
        "slug": "invoice",
        "version": 3,
        "manifest": manifest("total", "tax"),
    }
    after = api.get("/v1/templates/invoice").json()
    assert (after["name"], after["description"]) == ("Bill", "For customers")
    assert after["manifest"] == manifest("total", "tax")
    version = sandbox.project().templates["invoice"].current
    assert version.page_config == {"format": "A5"}
    assert [each["text"] for each in version.layout_texts] == ["[[sign]]"]
    assert "with a draft" not in guest.get(session["iframe_url"]).text


def test_a_new_template_is_made_once_and_then_edited(api, guest, mint, save):
    session = mint("create", permissions={"publish": True, "saveDraft": True})
    assert config_of(guest.get(session["iframe_url"]).text)["manifest"] == manifest()

    drafted = save("draft", session, "Letter", manifest("a"))

    slug = drafted.json()["slug"]
    assert re.fullmatch(r"letter-[0-9a-f]{4}", slug)
    assert api.get(f"/v1/templates/{slug}").json()["published"] is False
    published = save("publish", session, "Long letter", manifest("b"))
    assert (published.json()["slug"], published.json()["version"]) == (slug, 1)
    assert api.get(f"/v1/templates/{slug}").json()["name"] == "Long letter"
    assert len(api.get("/v1/templates").json()["templates"]) == 2


def test_a_session_saves_what_it_may_and_where_it_may(mint, save, sandbox):
    drafts = mint("edit", permissions={"saveDraft": True})
    publishes = mint("edit", permissions={"publish": True})

    assert refusal(save("publish", drafts)) == (403, "permission_denied")
    assert refusal(save("draft", publishes)) == (403, "permission_denied")
    assert refusal(save("publish", publishes, "Bill")) == (403, "permission_denied")
    every = {"publish": True, "saveDraft": True}
    for mode in ("view", "fill"):
        assert refusal(save("draft", mint(mode, permissions=every))) == (403, "wrong_mode")
    wrong = save("publish", publishes, manifest=manifest("a", ""))
    assert refusal(wrong) == (400, "invalid_request")
    assert list(wrong.json()["error"]["issues"]["fieldErrors"]) == ["manifest.variables.1.key"]
    sandbox.project().embed_origins = [SHOP]
    foreign = save("draft", drafts, Origin="https://evil.example.com")
    assert refusal(foreign) == (400, "bad_request")
    assert save("draft", drafts, Origin=sandbox.public_url).status_code == 200
    assert sandbox.project().templates["invoice"].current.number == 1


def test_the_builder_offers_the_catalog(guest, mint):
    name = {"key": "customer.name", "label": "Name", "dataType": "text"}
    phone = {"key": "phone", "label": "Phone", "dataType": "text"}
    catalog = {"namespaces": [{"key": "customer", "label": "Customer", "fields": [name, phone]}]}

    page = guest.get(mint("edit", variableCatalog=catalog)["iframe_url"]).text

    assert config_of(page)["catalog"] == {"customer.name": name, "customer.phone": phone}
    assert '<option value="customer.phone">Phone</option>' in page
