"""The daemon's page in a real browser: fleet, resource, a run while it goes on, on a phone too."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from guest_agent.toolkit.processes import wait_until
from tests.support.daemons import Daemon
from tests.support.free_port import free_address
from tests.support.shell import Shell

SCREENSHOTS = os.environ.get("GITROVE_SCREENSHOTS", "")
"""A folder for pictures of the pages; those in docs/images are made so."""
PHONE, DESK = (390, 660), (1180, 700)


@pytest.fixture
def shell(short_folder: Path) -> Iterator[Shell]:
    shell = Shell(short_folder)
    shell.run("init", "shop")
    shell.commit()
    yield shell
    shell.run("local", "down")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    for each in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{each}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Chrome(options, Service("/usr/bin/chromedriver")) as chrome:
        chrome.set_page_load_timeout(60)
        yield chrome


def text(browser: Chrome, css: str = "body") -> str:
    """What can be read there; nothing while the page is being replaced by its newer self."""
    try:
        return str(browser.find_element(By.CSS_SELECTOR, css).text)
    except WebDriverException:
        return ""


def link(browser: Chrome, css: str) -> str:
    """The address that the first link leads to; nothing, as above."""
    try:
        return str(browser.find_element(By.CSS_SELECTOR, css).get_attribute("href"))
    except WebDriverException:
        return ""


def look(browser: Chrome, address: str, picture: str = "", size: tuple[int, int] = DESK) -> None:
    browser.set_window_size(*size)
    browser.get(address)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    seen = browser.execute_script("return document.documentElement.clientWidth")
    assert width <= seen, f"{address} is {width} wide, of which {seen} are seen"
    assert browser.get_log("browser") == []
    if SCREENSHOTS and picture:
        browser.save_screenshot(str(Path(SCREENSHOTS) / f"{picture}.png"))


def test_everything_can_be_seen(shell: Shell, browser: Chrome) -> None:
    where = free_address()
    page = f"http://{where}"
    daemon = Daemon(shell, "--listen", where)
    try:
        daemon.ready(where)
        # A run is there while it goes on: its plan, with what is done of it so far.
        browser.get(f"{page}/runs")
        assert wait_until(lambda: bool(link(browser, "td a")), 10)
        browser.get(link(browser, "td a"))
        assert wait_until(lambda: "create volume" in text(browser), 10)
        assert wait_until(lambda: "succeeded" in text(browser, "h1"), 60)
        assert not browser.find_elements(By.CSS_SELECTOR, ".step.waiting, .step.failed")
        look(browser, browser.current_url, "run")

        assert wait_until(lambda: healthy(shell) == 3, 60)
        for name in ("one", "two"):
            shell.run("backup", "create", "orders", "--name", name)
        orders = shell.repository / "databases" / "orders.yaml"
        orders.write_text(orders.read_text().replace("flavor: small", "flavor: enormous"))
        shell.commit()
        shell.run("sync", expect=1)

        look(browser, page, "fleet")
        assert "1 Degraded" in text(browser) and "2 Healthy" in text(browser)
        first = text(browser, "tbody tr:nth-child(1)")
        assert "shop/orders" in first and 'no flavor "enormous"' in first
        look(browser, f"{page}/?q=ledger")
        assert "shop/orders" not in text(browser, "table") and "shop/ledger" in text(browser)

        look(browser, f"{page}/resources/shop/orders", "resource")
        shown = text(browser)
        assert "flavor: enormous" in shown and "RUNNING" not in shown
        assert len(browser.find_elements(By.CSS_SELECTOR, ".line .dot")) == 2
        assert "create volume" in shown or "done" in shown
        secret = json.loads(shell.run("credentials", "orders", "--output", "json"))[0]["password"]
        assert secret not in browser.page_source

        for path in ("", "/resources/shop/orders", "/runs"):
            look(browser, page + path, f"phone{path.replace('/', '-')}", PHONE)
        browser.get(f"{page}/resources/shop/nobody")
        assert "Not Found" in text(browser)
        with urllib.request.urlopen(page) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    finally:
        daemon.end()


def healthy(shell: Shell) -> int:
    rows = json.loads(shell.run("status", "--output", "json"))
    return sum(row["health"] == "Healthy" and bool(row["since"]) for row in rows)
