"""A real browser, site, worker and Craftkit: what a person sees, from end to end."""

from __future__ import annotations

import base64
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agency
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test import override_settings
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from django_craftkit.sandbox import Sandbox, SandboxServer
from tests import app
from tests.helpers import until
from tests.process.conftest import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver.remote.webelement import WebElement

# The middleware is the example's, whose package makes a Celery app of its own the current one.
assert agency.celery_app is not app
app.set_current()

#: Where pictures of the pages are put; without it none are taken.
PICTURES = os.environ.get("CRAFTKIT_PICTURES")
SECONDS = 60.0


class Browser:
    """Chromium, as a person uses it: by what is written on things."""

    def __init__(self, driver: Chrome, site: str) -> None:
        self.driver = driver
        self.site = site

    def go(self, path: str) -> None:
        self.driver.get(self.site + path)

    def until(self, condition: Callable[[], Any], *, reload: bool = False) -> Any:
        """Wait for something to be so; ``reload`` looks at the page anew each further time."""
        seen = False

        def look(driver: Chrome) -> Any:
            nonlocal seen
            if reload and seen:
                driver.refresh()
            seen = True
            return condition()

        try:
            return WebDriverWait(self.driver, SECONDS, 0.3, [WebDriverException]).until(look)
        except TimeoutException:
            pytest.fail(f"It never came to that on {self.driver.current_url}:\n{self.text[:3000]}")

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def sees(self, words: str) -> None:
        """Wait for words on the page: the one before may still be there."""
        self.until(lambda: words in self.text)

    def find(self, selector: str) -> WebElement:
        found: WebElement = self.until(lambda: self.driver.find_element(By.CSS_SELECTOR, selector))
        return found

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, words: str) -> None:
        """Click the link or button that says this."""
        quoted = f'"{words}"'
        path = (
            f"//a[normalize-space()={quoted}] | //button[normalize-space()={quoted}]"
            f" | //input[@type='submit' and @value={quoted}]"
        )

        def click() -> bool:
            found = self.driver.find_elements(By.XPATH, path)
            seen = [one for one in found if one.is_displayed()]
            if seen:
                seen[0].click()
            return bool(seen)

        self.until(click)

    def fill(self, name: str, text: str) -> None:
        field = self.find(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def picture(self, name: str, *, width: int = 1200, dark: bool = False) -> None:
        """Put a picture of the whole page where ``CRAFTKIT_PICTURES`` says."""
        if not PICTURES:
            return
        command = self.driver.execute_cdp_cmd
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        command("Emulation.setEmulatedMedia", {"features": [scheme]})
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        command("Emulation.setDeviceMetricsOverride", metrics)
        time.sleep(0.5)  # colours change gradually
        shot = command("Page.captureScreenshot", {"captureBeyondViewport": True})
        (Path(PICTURES) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
        command("Emulation.clearDeviceMetricsOverride", {})
        command("Emulation.setEmulatedMedia", {"features": []})


@pytest.fixture
def craftkit_server() -> Iterator[Sandbox]:
    with SandboxServer(Sandbox(api_keys=["ck_test_sandbox"], lenient=True)) as server:
        yield server.sandbox


@pytest.fixture
def site(craftkit_server, live_server, tmp_path, monkeypatch) -> Iterator[str]:
    """The site with its worker, as strict as a careful project has it."""
    # A busy machine is no Craftkit that does not answer.
    monkeypatch.setattr("django_craftkit.admin.common.buttons.SECONDS", SECONDS)
    craftkit_server.subscribe(f"{live_server.url}/craftkit/webhooks/default/", "whsec-tests")
    project = {**settings.CRAFTKIT_PROJECTS["default"], "BASE_URL": craftkit_server.public_url}
    workers = Workers(tmp_path, craftkit_server.public_url)
    connection = connections["default"].settings_dict
    before, connection["ATOMIC_REQUESTS"] = connection["ATOMIC_REQUESTS"], True
    middleware = [
        "agency.middleware.content_security_policy",
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": workers.archive},
    }
    with override_settings(
        CRAFTKIT_PROJECTS={"default": project},
        STORAGES={**settings.STORAGES, "craftkit": storage},
        MIDDLEWARE=middleware,
        CONTENT_SECURITY_POLICY=(
            f"default-src 'self'; frame-src {craftkit_server.public_url}; base-uri 'none'; "
            "object-src 'none'"
        ),
    ):
        # The server has read the settings when it was started, middleware included.
        server = live_server.thread
        started_with = server.httpd.get_app()
        server.httpd.set_app(server.static_handler(WSGIHandler()))
        try:
            workers.start(celery=False)
            yield live_server.url
            # What is still told would be told to the next test.
            until(
                lambda: all(one.status != "pending" for one in craftkit_server.deliveries), SECONDS
            )
        finally:
            workers.stop()
            server.httpd.set_app(started_with)
            connection["ATOMIC_REQUESTS"] = before


@pytest.fixture
def browser(site, chrome) -> Browser:
    return Browser(chrome, site)


@pytest.fixture
def chrome(tmp_path) -> Iterator[Chrome]:
    """Chromium alone, without a site; a policy that a page breaks fails the test."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        if os.environ.get("CI_REQUIRES_ALL"):
            pytest.fail("Chromium and its driver are to be there.")
        pytest.skip("Chromium and its driver are not installed.")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--lang=en-GB",
        # Pages that scroll smoothly don't: what is clicked would still be on its way.
        "--force-prefers-reduced-motion",
        "--window-size=1280,1000",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(executable_path=driver))
    try:
        yield chrome
        # A policy that a page breaks is told here alone.
        complaints = [entry["message"] for entry in chrome.get_log("browser")]
        assert not [line for line in complaints if "Content Security Policy" in line], complaints
    finally:
        chrome.quit()
