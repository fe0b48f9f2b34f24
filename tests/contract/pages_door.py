"""The pages, in the words of the contract suite: what a person reads there, under the services' names."""

import re
from contextlib import contextmanager
from html import unescape

from django.conf import settings
from django.test import Client

from tests.contract.doors import Answer, new_browser
from users import errors
from users.services.referral import NOBODY

CODES = {str(error.detail): error.code for error in vars(errors).values() if getattr(error, "detail", None)}


class PagesDoor:
    name = "pages"
    has_tokens = False
    token = None

    def __init__(self, client: Client | None = None):
        self.client = client or new_browser()

    def request_code(self, phone, challenge=None) -> Answer:
        with self._as_somebody_new(challenge):
            response = self.client.post("/send-code/", {"phone": phone})
        if response.status_code != 302:
            return _refusal(response)
        return self._awaited("/verify-code/")

    def request_code_for_change(self, phone) -> Answer:
        """Here the page for it is another one, for those who are signed in."""
        response = self.client.post("/profile/phone/", {"phone": phone})
        return self._awaited("/profile/phone/code/") if response.status_code == 302 else _refusal(response)

    def change_phone(self, code) -> Answer:
        response = self.client.post("/profile/phone/code/", {"code": code})
        if response.status_code != 302:
            return _refusal(response)
        return self._profile() if response.headers["Location"] == "/profile/" else _asked_to_sign_in()

    def _awaited(self, address) -> Answer:
        html = self._read(address)
        message = _find(r'<aside class="sms".*?<p>([^<]*)</p>\s*</aside>', html)
        return Answer(
            said={
                "phone": _number(_find(r'<p class="lead">.*?<b class="nowrap">([^<]*)</b>', html)),
                "otp": _find(r"\b([0-9]{4,6})\b", message),
                "challenge": self.client.cookies[settings.CHALLENGE_COOKIE_NAME].value,
                "expires_in": int(_find(r'data-left="(\d+)"', html)),
                "resend_in": int(_find(r'data-wait="(\d+)"', html) or 0),
            }
        )

    def verify_code(self, code, challenge=None, phone=None, start_afresh=None) -> Answer:
        answer = {} if start_afresh is None else {"start_afresh": str(start_afresh).lower()}
        with self._as_somebody_new(challenge, keep=True):
            response = self.client.post("/verify-code/", {"code": code, **answer})
        if response.status_code != 302:
            return _refusal(response)
        html = self._read("/profile/")
        said = {"phone": _number(_find(r"<h1[^>]*>([^<]*)</h1>", html)), "is_new_user": "You are in." in html}
        return Answer(said=said)

    def me(self) -> Answer:
        return self._profile()

    def referrals(self, cursor=None) -> Answer:
        return self._profile(f"?cursor={cursor or ''}")

    def activate_invite(self, invite_code) -> Answer:
        response = self.client.post("/profile/", {"invite_code": invite_code})
        if response.status_code != 302:
            return _refusal(response)
        if response.headers["Location"] != "/profile/":
            return _asked_to_sign_in()
        html = self._read("/profile/")
        return Answer(
            said={
                "activated_invite_code": _find(r'<p class="big-code small"[^>]*>(\w+)</p>', html),
                "invited_by": _find(r"Done. (?:<[^>]*>)?([^<]*)(?:<[^>]*>)? invited you\.", html),
            }
        )

    def sessions(self) -> Answer:
        """The one that asks has no button, so its id is not known."""
        response = self.client.get("/profile/")
        if response.status_code == 302:
            return _asked_to_sign_in()
        listed = re.findall(r'<ul class="sessions">(.*?)</ul>', response.content.decode(), re.S)[0]
        return Answer(said={"items": [_session(item) for item in re.findall(r"<li>(.*?)</li>", listed, re.S)]})

    def end_session(self, session_id) -> Answer:
        response = self.client.post("/profile/sessions/", {"session": session_id})
        return Answer() if response.status_code == 302 else _refusal(response)

    def logout(self, *, everywhere=False) -> Answer:
        if everywhere:
            self.client.post("/profile/sessions/", {"others": "yes"})
        self.client.post("/logout/")
        return Answer() if "You are signed out." in self._read("/") else _asked_to_sign_in()

    def _profile(self, query="") -> Answer:
        response = self.client.get(f"/profile/{query}")
        if response.status_code == 302:
            return _asked_to_sign_in()
        if response.status_code != 200:
            return _refusal(response)
        html = response.content.decode()
        people = re.findall(r'<li><span class="nowrap">([^<]*)</span>', html)
        return Answer(
            said={
                "phone": _number(_find(r"<h1[^>]*>([^<]*)</h1>", html)),
                "invite_code": _find(r'id="code"[^>]*>(\w+)<', html),
                "activated_invite_code": _find(r'<p class="big-code small"[^>]*>(\w+)</p>', html),
                "referrals": [_number(person) for person in people],
                "referrals_count": int(_find(r'<p class="count">(\d+)</p>', html)),
                "invite_opened": int(_find(r"Your link was opened (\d+) time", html) or 0),
            }
        )

    @contextmanager
    def _as_somebody_new(self, challenge: str | None, *, keep: bool = False):
        """A signed-in person is not asked again, so whoever asks has no session; the challenge is a cookie's."""
        cookies, name = self.client.cookies, settings.CHALLENGE_COOKIE_NAME
        cookies.pop(settings.SESSION_COOKIE_NAME, None)
        kept = cookies[name].value if name in cookies else None
        if challenge:
            cookies[name] = challenge
        yield
        if keep and kept:
            cookies[name] = kept

    def _read(self, address: str) -> str:
        response = self.client.get(address)
        assert response.status_code == 200, address
        return response.content.decode()


def _session(html: str) -> dict:
    signed_in_at, *seen = re.findall(r'<time datetime="([^"]*)"', html)
    return {
        "id": _find(r'name="session" value="([^"]*)"', html),
        "browser": _find(r"<b>([^<]*)</b>", html),
        "address": _find(r'<span class="nowrap">([^<]*)</span>', html),
        "signed_in_at": signed_in_at,
        "last_seen_at": seen[0] if seen else None,
        "current": "this browser" in html,
    }


def _asked_to_sign_in() -> Answer:
    """Where a program gets a 401, a person gets the form for it."""
    return Answer("not_authenticated", 401)


def _refusal(response) -> Answer:
    html = response.content.decode()
    if 'name="start_afresh"' in html:  # a page of its own asks
        return Answer("account_idle", response.status_code)
    field = _find(r'<div class="error" id="id_(\w+)_error"', html)
    words = _find(r'role="alert">\s*(?:<p>)?([^<]*)</p>', html) or _find(r"<h1[^>]*>([^<]*)</h1>", html)
    said: dict = {}
    if words not in CODES:
        said["fields"] = [field]
    elif CODES[words] == "invalid_input":
        said["fields"] = ["cursor"]  # the only thing in an address that can be wrong
    if "Retry-After" in response.headers:
        said["retry_after"] = int(response.headers["Retry-After"])
    left = _find(r"<p>(\d+ tr\w+ left|No tries left)", html)
    if left:
        said["attempts_left"] = int(_find(r"(\d+)", left) or 0)
    return Answer(CODES.get(words, "invalid_input"), response.status_code, said)


def _number(shown: str) -> str:
    """`+7 913 674-00-00` → `+79136740000`"""
    return "+" + re.sub(r"\D", "", shown) if shown.startswith("+") else NOBODY


def _find(pattern: str, html: str | None) -> str | None:
    found = re.search(pattern, html or "", re.S)
    return unescape(found[1]).strip() if found else None
