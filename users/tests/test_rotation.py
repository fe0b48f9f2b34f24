"""docs/operations.md walked: two instances, each a step ahead of the other in turn, and nobody notices."""

import re
from contextlib import contextmanager
from itertools import pairwise

import pytest
from django.test import Client as Browser
from django.test import override_settings
from rest_framework.test import APIClient

from project import env
from tests.support.live import code_on
from tests.support.people import ALICE, BOB, CHARLIE
from users.models import Challenge, Session, User

RECIPE = (env.ROOT / "docs" / "operations.md").read_text()
ROWS = re.findall(r"(?m)^\| `((?:SECRET_KEY|JWT_SECRET_KEY|OTP_PEPPER)(?:_FALLBACKS)?)` \| (.*) \|$", RECIPE)
BEFORE = {name: "" if name.endswith("_FALLBACKS") else "old" for name, _ in ROWS}
STEPS = [BEFORE, *({name: cells.split("|")[step].strip() for name, cells in ROWS} for step in range(3))]
SWAPPED = STEPS[2]


def made(name: str, *words: str) -> str | list[str]:
    if name.endswith("_FALLBACKS"):
        return [f"{name.removesuffix('_FALLBACKS')}, {word}" for word in words]
    return f"{name}, {words[0]}"


@contextmanager
def instance(step: dict[str, str]):
    """With these words for secrets in its environment; each secret is its own."""
    values: dict = {name: made(name, *filter(None, words.split(","))) for name, words in step.items()}
    oldest = [values["OTP_PEPPER"], *values["OTP_PEPPER_FALLBACKS"]][-1]
    with override_settings(**values, PHONE_KEY_PEPPER=oldest):
        yield


class Person:
    """An app and a browser, signed in for as long as it takes."""

    def __init__(self, phone: str):
        self.app, self.phone = APIClient(), phone
        self.tokens = self.enter(self.ask()).json()
        self.open_browser()

    def open_browser(self) -> None:
        self.browser = Browser()
        told = self.browser.post("/send-code/", {"phone": self.phone}, follow=True).content.decode()
        self.browser.post("/verify-code/", {"code": code_on(told)})

    def ask(self) -> dict[str, str]:
        sent = self.app.post("/api/users/send_otp/", {"phone_number": self.phone}).json()
        return {"otp": sent["otp"], "challenge": sent["challenge"]}

    def enter(self, code: dict[str, str]):
        return APIClient().post("/api/users/auth/", code)

    def refresh(self) -> int:
        answer = APIClient().post("/api/users/token/refresh/", {"refresh_token": self.tokens["refresh_token"]})
        self.tokens = answer.json()
        return answer.status_code

    def looks(self) -> set[int]:
        me = APIClient().get("/api/users/me/", headers={"Authorization": f"Bearer {self.tokens['token']}"})
        return {me.status_code, self.browser.get("/profile/").status_code}


@pytest.mark.django_db(transaction=True)
def test_no_session_no_code_no_limit_and_no_departed_number_is_lost():
    with instance(BEFORE):
        alice, gone = Person(ALICE), Person(BOB)
        invite_code = User.objects.get(phone=ALICE).invite_code
        gone.app.credentials(HTTP_AUTHORIZATION=f"Bearer {gone.tokens['token']}")
        assert gone.app.post("/api/users/referal/", {"activated_invite_code": invite_code}).status_code == 200
        assert gone.app.post("/api/users/me/delete/", gone.ask()).status_code == 204
        sessions = set(Session.objects.filter(user__phone=ALICE).values_list("id", flat=True))
        newcomer = Person(CHARLIE)
    for before, after in pairwise(STEPS):
        if before is SWAPPED:  # 30 days later: what the old key signed is over
            with instance(SWAPPED):
                alice.open_browser()
        for here, there in ((before, after), (after, before), (after, after)):
            with instance(here):
                sent = newcomer.ask()
                assert alice.looks() == {200}
                assert alice.refresh() == 200
            with instance(there):
                assert alice.looks() == {200}
                assert newcomer.enter(sent).status_code == 200
    with instance(STEPS[-1]):
        back = Person(BOB)
        back.app.credentials(HTTP_AUTHORIZATION=f"Bearer {back.tokens['token']}")
        refused = back.app.post("/api/users/referal/", {"activated_invite_code": invite_code})
    assert refused.json()["code"] == "invite_already_activated"
    assert sessions <= set(Session.objects.filter(user__phone=ALICE, ended_at=None).values_list("id", flat=True))
    assert Challenge.objects.filter(phone=CHARLIE).values("phone_key").distinct().count() == 1
