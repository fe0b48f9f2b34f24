"""A person on our pages: what they do, and what can be seen of it."""

import re
from pathlib import Path

from django.db.models import F
from django.utils import timezone
from playwright.sync_api import Page

from project.env import LOCAL, ROOT
from users.models import Activation, InviteOpening, User

SCREENSHOTS = LOCAL / "screenshots"
AXE = ROOT / "npm" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


def follow(page: Page, selector: str) -> None:
    """Press what leads to another page, and wait until that one is whole: the click itself does not."""
    with page.expect_navigation():
        page.click(selector)


def picture(page: Page, name: str) -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def ask_for_code(page: Page, phone: str) -> None:
    page.fill("#id_phone", phone)
    follow(page, "form[action='/send-code/'] button")
    assert page.url.endswith("/verify-code/"), page.url


def code_on_the_page(page: Page) -> str:
    """The demo shows the message; its code is the first number in it."""
    return re.search(r"\b[0-9]{4,6}\b", page.inner_text("aside.sms > p:last-child"))[0]


def enter_code(page: Page, code: str, *, by_itself: bool = True) -> None:
    """With JavaScript the form goes by itself when the code is whole."""
    with page.expect_navigation():
        page.fill("#id_code", code)
        if not by_itself:
            page.click("[data-code] button")
    assert page.url.endswith("/profile/"), page.url


def sign_in(page: Page, url: str, phone: str) -> None:
    page.goto(f"{url}/send-code/")
    ask_for_code(page, phone)
    enter_code(page, code_on_the_page(page))


def people_came_to(owner: User, count: int) -> None:
    """Every third of those who opened their link today."""
    InviteOpening.objects.create(inviter=owner, day=timezone.now().date(), times=3 * count)
    User.objects.filter(id=owner.id).update(invite_opened=F("invite_opened") + 3 * count)
    for number in range(count):
        invitee, _ = User.objects.get_or_register(f"+7926123{number:04}")
        Activation.objects.create(inviter=owner, invitee=invitee)
