"""Real Chromium, where there is one; in CI there must be."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.zovi import AXE, SCREENSHOTS

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


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
def visit(chromium) -> Iterator[Visit]:
    context = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    visit = Visit(context.new_page())
    visit.page.set_default_timeout(120_000)  # for what never comes: no test is decided by a busy machine
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    yield visit
    context.close()
