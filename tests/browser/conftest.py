"""Real Chromium, where there is one; in CI there must be."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.zovi import AXE, SCREENSHOTS

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]
PATIENCE = 120_000  # milliseconds for what never comes: no test is decided by a busy machine
expect.set_options(timeout=PATIENCE)


def skip_unless_ci(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}: in CI nothing may be left out")
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter) -> None:
    if SCREENSHOTS.is_dir():
        terminalreporter.write_line(f"screenshots of every page and state: {SCREENSHOTS}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        skip_unless_ci("no Chromium on this machine")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright keeps an event loop in the tests' thread
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        skip_unless_ci("axe-core is not here, because npm is missing or has no network")
    return AXE.read_text()


@dataclass
class Visit:
    """A page, every address it asked for, and whatever it complained of in the console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def foreign(self, *origins: str) -> list[str]:
        inline = ("data:", "blob:")
        return [url for url in self.requests if not url.startswith((*(f"{origin}/" for origin in origins), *inline))]


@pytest.fixture
def open_page(chromium) -> Iterator[Callable[..., Page]]:
    """open_page(locale="en", ...): a page of a browser that nobody has used yet."""
    contexts = []

    def opened(**how) -> Page:
        contexts.append(chromium.new_context(**how))
        contexts[-1].set_default_timeout(PATIENCE)
        return contexts[-1].new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def visit(open_page) -> Visit:
    visit = Visit(open_page(locale="en-GB", viewport={"width": 1280, "height": 800}))
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    return visit
