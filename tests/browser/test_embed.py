"""The sandbox's form and builder in an iframe of another site, which talks to them."""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from django_craftkit.sandbox import DEFAULT_KEY, Sandbox, SandboxServer
from tests.browser.conftest import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(240)

MANIFEST: dict[str, Any] = {
    "variables": [
        {"key": "guest.name", "label": "Guest", "dataType": "text", "required": True},
        {"key": "guest.email", "label": "E-mail", "dataType": "email"},
        {"key": "deposit", "label": "Deposit", "dataType": "currency", "format": "money:EUR"},
        {"key": "handover.at", "label": "Handed over", "dataType": "datetime"},
        {"key": "paid", "label": "Paid", "dataType": "boolean"},
        {"key": "photo", "label": "Photo", "dataType": "image"},
    ],
    "loops": [
        {
            "key": "areas",
            "label": "Areas",
            "itemFields": [
                {"key": "area", "label": "Area", "dataType": "text", "required": True},
                {"key": "marks", "label": "Marks", "dataType": "number"},
            ],
        }
    ],
}
PREFILL = {
    "guest": {"name": "Eleni"},
    "handover.at": "2026-06-05T10:00:00Z",
    "paid": True,
    "areas": [{"area": "Hull", "marks": 2}],
}
# One transparent point.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNgAAIAAAUAAen63NgAAAAASUVORK5CYII="
)
PAGE = """<!DOCTYPE html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
<script>const heard = []; addEventListener("message", (event) => heard.push(event.data));</script>
<iframe width="1000" height="900"></iframe></html>"""


class Shop:
    """A site that embeds a session's page, and hears what it says."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.driver = browser.driver

    def embed(self, url: str) -> None:
        """Show a page in the iframe, and step into it."""
        self.browser.go("/")
        self.driver.execute_script("document.querySelector('iframe').src = arguments[0]", url)
        self.driver.switch_to.frame(0)
        self.browser.find("#status")

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a type so far."""
        self.driver.switch_to.default_content()
        messages: list[dict[str, Any]] = self.driver.execute_script("return heard")
        self.driver.switch_to.frame(0)
        return [message for message in messages if message["type"] == kind]

    def say(self, **message: Any) -> None:
        """Send a message into the iframe."""
        self.driver.switch_to.default_content()
        self.driver.execute_script("frames[0].postMessage(arguments[0], '*')", message)
        self.driver.switch_to.frame(0)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Sandbox()) as server:
        server.sandbox.put_template("handover", name="Charter handover", manifest=MANIFEST)
        yield server


@pytest.fixture
def shop(chrome) -> Iterator[Shop]:
    site = make_server("127.0.0.1", 0, Response(PAGE, mimetype="text/html"), threaded=True)
    thread = threading.Thread(target=site.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Shop(Browser(chrome, f"http://127.0.0.1:{site.server_port}"))
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


@pytest.fixture
def call(server):
    def call(path: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {DEFAULT_KEY}"}
        answer = requests.post(f"{server.url}{path}", json=body, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    return call


@pytest.fixture
def mint(call, server):
    def mint(mode: str, *permissions: str, **more: Any) -> dict[str, Any]:
        template = server.sandbox.project().templates["handover"].id
        session: dict[str, Any] = call(
            "/v1/embed/sessions",
            tenant={"externalId": "acme", "displayName": "Acme"},
            actor={"externalId": "jane"},
            scope={"mode": mode, **({} if mode == "create" else {"templateId": template})},
            permissions=dict.fromkeys(permissions, True),
            **more,
        )
        return session

    return mint


def pictures(browser: Browser, name: str) -> None:
    browser.picture(name, width=1280)
    browser.picture(f"{name}-dark", width=1280, dark=True)
    browser.picture(f"{name}-narrow", width=390)
    browser.picture(f"{name}-narrow-dark", width=390, dark=True)


def test_a_form_outlives_its_session_and_becomes_a_document(shop, server, mint, call, tmp_path):
    page, sandbox = shop.browser, server.sandbox
    sandbox.project().embed_origins = [page.site]
    session = mint("fill", "submitForm", form={"prefill": PREFILL})
    page.driver.get(session["iframe_url"])
    page.sees("Handed over")
    pictures(page, "sandbox-form")
    shop.embed(session["iframe_url"])
    driver = page.driver

    # The token is in no address; the prefill is in its fields.
    assert driver.execute_script("return location.href") == f"{server.url}/embed/form"
    assert driver.execute_script("return sessionStorage.length + localStorage.length") == 0
    name = page.find("[data-key='guest.name']")
    assert name.get_attribute("value") == "Eleni"
    assert page.find("[data-key=area]").get_attribute("value") == "Hull"
    assert page.find("[data-key=paid]").is_selected()

    # What is wrong is told at its field.
    name.clear()
    page.find("[data-key='guest.email']").send_keys("eleni")
    page.find("[data-key=deposit]").send_keys("1e")
    page.click("Add a row")
    page.all("[data-key=marks]")[1].send_keys("3")
    page.click("Submit")
    page.sees("Please look at what is marked.")
    wrong = [one.get_attribute("data-key") for one in page.all("[aria-invalid=true]")]
    assert wrong == ["guest.name", "guest.email", "deposit", "area"]
    pictures(page, "sandbox-form-wrong")
    name.send_keys("Ada")
    page.find("[data-key='guest.email']").send_keys("@example.com")
    page.find("[data-key=deposit]").clear()
    page.all("[data-key=area]")[1].send_keys("Deck")
    file = tmp_path / "photo.png"
    file.write_bytes(PICTURE)
    page.find("[type=file]").send_keys(str(file))
    page.until(lambda: page.find(".picture").is_displayed())

    # Its time is up: nothing is lost but the time.
    sandbox.expire_embed_session(session["session_id"])
    assert shop.heard("session.expiring") == []
    page.click("Submit")
    page.sees("Your session has expired.")
    (expiring,) = shop.heard("session.expiring")
    assert expiring["sessionId"] == session["session_id"]

    # Only the page around it, and only for this session, renews it.
    renewed = call("/v1/embed/sessions/refresh", renewToken=session["renew_token"])
    message = {"type": "session.renewed", "sessionToken": renewed["session_token"]}
    driver.execute_script("window.postMessage(arguments[0], '*')", message)
    shop.say(type="session.renewed", sessionToken=mint("fill", "submitForm")["session_token"])
    page.click("Submit")
    page.until(lambda: len(shop.heard("session.expiring")) == 2)
    assert shop.heard("session.accepted") == []
    shop.say(**message)
    page.until(lambda: shop.heard("session.accepted"))
    assert "expired" not in page.text

    # A double click submits once.
    driver.execute_script("const b = document.querySelector('.main'); b.click(); b.click();")
    page.sees("This is your document.")
    (render,) = sandbox.renders
    (submitted,) = shop.heard("form.submitted")
    assert submitted["renderId"] == render.id
    photo = render.data.pop("photo")
    assert requests.get(photo, timeout=10).content == PICTURE
    assert render.data == {
        "guest": {"name": "Ada", "email": "eleni@example.com"},
        "handover": {"at": "2026-06-05T10:00:00.000Z"},
        "paid": True,
        "areas": [{"area": "Hull", "marks": 2}, {"area": "Deck", "marks": 3}],
    }
    assert page.find(".viewer").get_attribute("src").startswith("blob:")
    pictures(page, "sandbox-form-done")


def test_a_document_is_waited_for_longer_than_the_session_lasts(shop, server, mint, call):
    page, sandbox = shop.browser, server.sandbox
    sandbox.render_time = None
    session = mint("fill", "submitForm", form={"prefill": PREFILL})
    shop.embed(session["iframe_url"])
    page.click("Submit")
    page.sees("Your document is being made.")

    sandbox.expire_embed_session(session["session_id"])

    page.sees("Your session has expired.")
    path = f"/v1/embed/renders/{sandbox.renders[0].id}"
    page.until(lambda: sandbox.requests.count(("GET", path, 401)) > 2)
    # A renew token can be used once: the page around is asked once.
    assert len(shop.heard("session.expiring")) == 1
    renewed = call("/v1/embed/sessions/refresh", renewToken=session["renew_token"])
    shop.say(type="session.renewed", sessionToken=renewed["session_token"])
    sandbox.renders[0].finish()
    page.sees("This is your document.")
    assert "expired" not in page.text


def test_a_form_ends_as_its_session_says(shop, server, mint):
    page, sandbox = shop.browser, server.sandbox
    sandbox.subscribe("http://127.0.0.1:1/", "secret", ["form.submitted"])

    def fill_in(**form: Any) -> None:
        shop.embed(mint("fill", "submitForm", form={"prefill": PREFILL, **form})["iframe_url"])
        page.click("Submit")

    fill_in(captureMode="collect")
    page.sees("Your data have been sent.")
    (submitted,) = shop.heard("form.submitted")
    assert submitted["renderId"] is None
    (delivery,) = sandbox.deliveries
    assert delivery.payload["data"]["guest"] == {"name": "Eleni"}
    assert sandbox.renders == []

    # Nobody has checked the prefill: the form stays usable, whatever it holds.
    fill_in(prefill={**PREFILL, "photo": "http://[", "areas": "all", "paid": [], "guest": "Ada"})
    page.sees("Please look at what is marked.")
    wrong = [one.get_attribute("aria-describedby") for one in page.all("[aria-invalid=true]")]
    assert [page.find(f"#{one}").text for one in wrong] == ["Required", "Invalid url"]

    fill_in(showDocumentAfterSubmit=False)
    page.sees("Your data have been sent.")
    fill_in(redirectUrl=f"{server.url}/v1/health")
    page.sees('"status":"ok"')

    # A document that could not be made leaves the form as it was filled in.
    sandbox.faults.add("render_failed", message="No ink")
    fill_in()
    page.sees("The document could not be made: No ink")
    assert page.find("[data-key='guest.name']").get_attribute("value") == "Eleni"
    sandbox.faults.add("cut_before", path="/v1/embed/form-submit/*")
    page.click("Submit")
    page.sees("The service could not be reached.")
    page.click("Submit")
    page.sees("This is your document.")


def test_a_variable_may_be_called_as_what_a_page_is_made_of(shop, server, mint):
    page, keys = shop.browser, ("hidden", "querySelectorAll", "toString", "constructor")
    variables = [{"key": key, "label": key, "dataType": "text"} for key in keys]
    server.sandbox.put_template("handover", manifest={"variables": variables, "loops": []})
    shop.embed(mint("fill", "submitForm", form={"captureMode": "collect"})["iframe_url"])
    inputs = [page.find(f"[data-key={key}]") for key in keys]
    assert {one.get_attribute("value") for one in inputs} == {""}
    inputs[0].send_keys("a value")
    page.click("Submit")
    page.sees("Your data have been sent.")
    assert not page.find("form").is_displayed()


def test_a_template_is_built_saved_and_published(shop, server, mint):
    page, sandbox = shop.browser, server.sandbox
    every = ("publish", "saveDraft", "rename")
    page.driver.get(mint("edit", *every)["iframe_url"])
    page.sees("Edit the template")
    pictures(page, "sandbox-builder")
    phone = {"key": "phone", "label": "Phone", "dataType": "text", "format": "tel"}
    catalog = {"namespaces": [{"key": "guest", "label": "Guest", "fields": [phone]}]}
    session = mint("create", *every, variableCatalog=catalog)
    sandbox.expire_embed_session(session["session_id"], 300)
    shop.embed(session["iframe_url"])

    # Less than ten minutes are left: the page around it hears at once.
    page.until(lambda: shop.heard("session.expiring"))

    page.find("#name").clear()
    page.find("#name").send_keys("Inspection")
    page.click("Add a variable")
    page.click("Publish")
    page.sees("Please look at what is marked.")
    (wrong,) = page.all("[aria-invalid=true]")
    pictures(page, "sandbox-builder-wrong")
    wrong.send_keys("guest.phone\t")  # the catalog knows the rest
    page.click("Save draft")
    page.sees("The draft is saved.")
    (saved,) = shop.heard("template.saved")
    page.click("Add a loop")
    loop = page.find("#loops fieldset")
    loop.find_element(By.CSS_SELECTOR, ".pair [data-part=key]").send_keys("areas")
    loop.find_element(By.CSS_SELECTOR, ".pair [data-part=label]").send_keys("Areas")
    page.click("Add a field")
    row = loop.find_element(By.CSS_SELECTOR, ".row")
    row.find_element(By.CSS_SELECTOR, "[data-part=key]").send_keys("marks")
    row.find_element(By.CSS_SELECTOR, "[data-part=label]").send_keys("Marks")
    Select(row.find_element(By.CSS_SELECTOR, "[data-part=dataType]")).select_by_visible_text(
        "number"
    )
    row.find_element(By.CSS_SELECTOR, "[data-part=required]").click()
    page.click("Publish")
    page.sees("Published as version 1.")

    (published,) = shop.heard("template.published")
    template = next(one for one in sandbox.project().templates.values() if one.name == "Inspection")
    assert saved["templateId"] == published["templateId"] == template.id
    assert published["version"] == 1
    marks = {"key": "marks", "label": "Marks", "dataType": "number", "required": True}
    assert published["manifest"] == template.current.manifest
    assert template.current.manifest == {
        "variables": [{**phone, "key": "guest.phone"}],
        "loops": [{"key": "areas", "label": "Areas", "itemFields": [marks]}],
    }

    page.click("Remove the loop")
    page.click("Publish")
    page.sees("Published as version 2.")
    assert template.current.manifest["loops"] == []
    page.click("Close")
    page.until(lambda: shop.heard("close.requested"))

    shop.embed(mint("view", *every)["iframe_url"])
    page.sees("Look at the template")
    assert not [
        one
        for one in page.all("input, select")
        if one.is_enabled() and one.is_displayed() and not one.get_attribute("readonly")
    ]
    assert page.all("[data-action]") == []
    pictures(page, "sandbox-builder-view")
