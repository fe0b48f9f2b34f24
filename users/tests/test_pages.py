"""The HTML door: its journey, its errors, its sessions. What the rules are, the services' tests know."""

import json
import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.sessions.models import Session as CookieSession
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from project.sessions import SessionStore
from tests.support.people import ALICE, BOB, wrong
from users import errors, services, tokens
from users.models import Activation, Challenge, InviteFailure, Message, Session, User
from users.pages import errand
from users.rates import parse
from users.templatetags.zovi import unbroken

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(sms_outbox) -> Client:
    """A browser without JavaScript."""
    return Client(raise_request_exception=False)


def code_in(sms_outbox) -> str:
    return re.search(r"[0-9]{4,6}", sms_outbox[-1][1])[0]


def sign_in(page, sms_outbox, phone=ALICE):
    assert page.post("/send-code/", {"phone": phone}).headers["Location"] == "/verify-code/"
    return page.post("/verify-code/", {"code": code_in(sms_outbox)})


def text_of(response) -> str:
    """What a reader sees: no tags, one space between words."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def error_beside(response, field: str) -> str:
    """The words in the alert that the field names as its description."""
    html = response.content.decode()
    box = re.search(rf'<div class="error" id="id_{field}_error" role="alert">(.*?)</div>', html, re.S)
    control = re.search(rf'<input[^>]*id="id_{field}"[^>]*>', html)[0]
    assert f"id_{field}_error" in re.search(r'aria-describedby="([^"]*)"', control)[1].split()
    assert 'aria-invalid="true"' in control
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", box[1])).strip()


def typed_in(response, field: str) -> str:
    return re.search(rf'<input[^>]*name="{field}"[^>]*value="([^"]*)"', response.content.decode())[1]


def test_no_browser_translates_a_code_or_makes_a_number_a_link(page, sms_outbox, alice, bob):
    services.activate_invite(user=alice, invite_code=bob.invite_code)
    sign_in(page, sms_outbox)
    profile, card = page.get("/profile/"), Client().get(f"/i/{alice.invite_code}/")
    html = profile.content.decode() + card.content.decode()
    assert html.count('<meta name="format-detection" content="telephone=no">') == 2
    shown = re.findall(rf">[^<]*(?:{alice.invite_code}|{bob.invite_code})[^<]*</", html)
    kept = re.findall(rf'translate="no">[^<]*(?:{alice.invite_code}|{bob.invite_code})[^<]*</', html)
    assert len(shown) == len(kept) == 4


# --- The journey ---------------------------------------------------------------------------------------------------


def test_the_journey_from_the_front_page_to_the_profile_and_out(page, sms_outbox):
    assert page.get("/").status_code == 200
    sent = page.post("/send-code/", {"phone": "8 913 674-00-00"})
    assert (sent.status_code, sent.headers["Location"]) == (302, "/verify-code/")
    assert "+7 913 674-00-00" in text_of(page.get("/verify-code/"))
    signed_in = page.post("/verify-code/", {"code": code_in(sms_outbox)})
    assert (signed_in.status_code, signed_in.headers["Location"]) == (302, "/profile/")
    user = User.objects.get()
    assert user.phone == ALICE
    assert user.invite_code in text_of(page.get("/profile/"))
    assert page.get("/logout/").status_code == 200
    assert Session.objects.get().ended_at is None
    assert page.post("/logout/").headers["Location"] == "/"
    assert Session.objects.get().ended_at is not None
    assert page.get("/profile/").headers["Location"] == "/send-code/?next=/profile/"


def test_going_back_and_refreshing_send_no_second_message(page, sms_outbox):
    page.post("/send-code/", {"phone": ALICE})
    for address in ("/send-code/", "/verify-code/", "/verify-code/", "/resend-code/", "/"):
        page.get(address)
    assert len(sms_outbox) == 1


def test_another_code_is_sent_to_the_same_number_and_ends_the_first(page, sms_outbox):
    page.post("/send-code/", {"phone": ALICE})
    first = code_in(sms_outbox)
    while code_in(sms_outbox) == first:
        assert page.post("/resend-code/").headers["Location"] == "/verify-code/"
    assert {phone for phone, _text in sms_outbox} == {ALICE}
    assert page.post("/verify-code/", {"code": first}).status_code == 400
    assert page.post("/verify-code/", {"code": code_in(sms_outbox)}).status_code == 302


def test_a_signed_in_visitor_is_not_asked_again(page, sms_outbox):
    sign_in(page, sms_outbox)
    for address in ("/", "/send-code/", "/verify-code/"):
        assert page.get(address).headers["Location"] == "/profile/"
    assert page.post("/send-code/", {"phone": BOB}).headers["Location"] == "/profile/"
    assert len(sms_outbox) == 1


def test_the_code_page_without_a_code_on_its_way_leads_back(page):
    assert page.get("/verify-code/").headers["Location"] == "/send-code/"


def test_the_page_after_a_send_shows_the_servers_seconds_and_the_tries_left(page, sms_outbox, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    page.post("/send-code/", {"phone": ALICE})
    Challenge.objects.update(created_at=F("created_at") - timedelta(seconds=18))
    html = page.get("/verify-code/").content.decode()
    assert re.search(r'data-wait="(\d+)"', html)[1] in {"42", "41"}
    refused = page.post("/verify-code/", {"code": wrong(code_in(sms_outbox))})
    assert "2 tries left." in error_beside(refused, "code")


def test_the_code_page_knows_how_long_a_code_is(page, sms_outbox, settings):
    settings.OTP_DIGITS = 6
    page.post("/send-code/", {"phone": ALICE})
    assert 'data-code="6"' in page.get("/verify-code/").content.decode()


def test_an_expired_code_is_called_so_and_another_is_offered(page, sms_outbox):
    page.post("/send-code/", {"phone": ALICE})
    Challenge.objects.update(expires_at=F("expires_at") - timedelta(seconds=181))
    answer = page.get("/verify-code/")
    assert answer.status_code == 200
    assert "This code has run out." in text_of(answer)
    assert 'id="id_code"' not in answer.content.decode()
    assert 'action="/resend-code/"' in answer.content.decode()


@pytest.mark.parametrize("place", ["/i/ABC234/", "/profile/?cursor=x"])
def test_next_leads_to_a_page_of_ours(page, sms_outbox, place):
    page.get("/send-code/", {"next": place})
    assert sign_in(page, sms_outbox).headers["Location"] == place


@pytest.mark.parametrize(
    "place",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "http:///evil.example", ""],
)
def test_next_leads_nowhere_else(page, sms_outbox, place):
    page.get("/send-code/", {"next": place})
    assert sign_in(page, sms_outbox).headers["Location"] == "/profile/"


# --- Refusals ------------------------------------------------------------------------------------------------------


def test_what_is_no_phone_is_refused_beside_the_field_and_kept(page, sms_outbox):
    refused = page.post("/send-code/", {"phone": "12 <b>"})
    assert refused.status_code == 400
    assert error_beside(refused, "phone") == str(errors.InvalidPhone.detail)
    assert typed_in(refused, "phone") == "12 &lt;b&gt;"
    assert sms_outbox == []
    assert not Challenge.objects.exists()


@pytest.mark.parametrize("data", [{}, {"phone": ""}, {"phone": "1" * 61}, {"phone": "\0"}])
def test_an_empty_or_endless_field_is_a_400(page, data):
    refused = page.post("/send-code/", data)
    assert refused.status_code == 400
    assert error_beside(refused, "phone")


def test_asking_too_soon_says_how_long_to_wait(page, sms_outbox, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    page.post("/send-code/", {"phone": ALICE})
    for address, data, field in (("/send-code/", {"phone": ALICE}, "phone"), ("/resend-code/", {}, "code")):
        refused = page.post(address, data)
        assert refused.status_code == 429
        assert 0 <= int(refused.headers["Retry-After"]) <= 60
        words = error_beside(refused, field)
        assert words.startswith(str(errors.CodeRequestedTooSoon.detail))
        assert f"You can try again in: {refused.headers['Retry-After']} seconds" in words
    assert len(sms_outbox) == 1


def test_a_gateway_that_fails_is_a_503_beside_the_field(page, refusing_gateway):
    with refusing_gateway:
        refused = page.post("/send-code/", {"phone": ALICE})
    assert refused.status_code == 503
    assert error_beside(refused, "phone").startswith(str(errors.SMSNotSent.detail))
    assert typed_in(refused, "phone") == ALICE


def test_a_wrong_code_counts_down_and_is_kept(page, sms_outbox):
    page.post("/send-code/", {"phone": ALICE})
    typed = wrong(code_in(sms_outbox))
    words = []
    for _ in range(3):
        refused = page.post("/verify-code/", {"code": typed})
        assert refused.status_code == 400
        assert typed_in(refused, "code") == typed
        words.append(error_beside(refused, "code").removeprefix(f"{errors.InvalidCode.detail} "))
    assert words == ["2 tries left.", "1 try left.", "No tries left."]
    assert page.post("/verify-code/", {"code": code_in(sms_outbox)}).status_code == 400
    assert not User.objects.exists()


def test_what_cannot_be_a_code_costs_no_try(page, sms_outbox):
    page.post("/send-code/", {"phone": ALICE})
    refused = page.post("/verify-code/", {"code": "१२३४"})
    assert refused.status_code == 400
    assert error_beside(refused, "code") == "A code is 4 to 8 digits."
    assert Challenge.objects.get().attempts == 0


def test_a_code_that_nobody_asked_for_is_refused_with_the_way_to_ask(page):
    for address in ("/verify-code/", "/resend-code/"):
        refused = page.post(address, {"code": "1234"})
        assert refused.status_code == 400
        assert error_beside(refused, "code") == str(errors.ChallengeRequired.detail)
        assert 'href="/send-code/"' in refused.content.decode()


@pytest.mark.parametrize("between", ["\n\n", ""], ids=["as it is", "as a browser pastes it into one line"])
def test_the_whole_message_gives_its_code(page, sms_outbox, between):
    page.post("/send-code/", {"phone": ALICE})
    code = code_in(sms_outbox)
    message = f"Zovi: {code} is your code for 1999 things.{between}@zovi.example #{code}"
    assert page.post("/verify-code/", {"code": message}).headers["Location"] == "/profile/"


@pytest.mark.parametrize(
    "message", ["Zovi: {} is your code. Tell it to nobody.", "{} — код, Zovi. {}!", "Код {}, 12:30"]
)
def test_a_message_without_the_line_for_browsers_gives_its_code_too(page, sms_outbox, message):
    page.post("/send-code/", {"phone": ALICE})
    code = code_in(sms_outbox)
    assert page.post("/verify-code/", {"code": message.format(code, code)}).headers["Location"] == "/profile/"


@pytest.mark.parametrize("message", ["{} of 1999", "{}0000000 is long", "+7 913 674-00-00: none"])
def test_a_text_that_does_not_say_which_number_is_the_code_costs_no_try(page, sms_outbox, message):
    page.post("/send-code/", {"phone": ALICE})
    refused = page.post("/verify-code/", {"code": message.format("1998")})
    assert (refused.status_code, error_beside(refused, "code")) == (400, "A code is 4 to 8 digits.")
    assert Challenge.objects.get().attempts == 0


def test_another_browser_cannot_use_the_code(page, sms_outbox):
    page.post("/send-code/", {"phone": ALICE})
    assert Client().post("/verify-code/", {"code": code_in(sms_outbox)}).status_code == 400
    assert Challenge.objects.get().attempts == 0


# --- Visitors who only look around ------------------------------------------------------------------------------------


def rows_of_every_table() -> dict[str, int]:
    with connection.cursor() as cursor:
        counts = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
            counts[table] = cursor.fetchone()[0]
    return counts


def test_a_thousand_visits_write_no_row(bob):
    link, long_one = f"/i/{bob.invite_code}/", f"/send-code/?next=/{'x' * 2000}"
    asked = [
        *[("GET", address) for address in (link, "/", long_one, "/send-code/?next=/profile/", "/profile/", "/logout/")],
        *[("GET", address) for address in ("/verify-code/", "/nothing/", "/admin/", "/admin/login/", "/dev/inbox/")],
        *[("HEAD", address) for address in (link, "/", long_one, "/profile/", "/admin/login/")],
        *[("POST", address) for address in ("/verify-code/", "/resend-code/", "/logout/", "/profile/", "/send-code/")],
    ]
    keeps_cookies = Client(headers={"User-Agent": "TelegramBot (like TwitterBot)"})
    before = rows_of_every_table()
    for number in range(1000):
        method, address = asked[number % len(asked)]
        client = Client() if number % 2 else keeps_cookies
        client.generic(method, address, headers={"Cookie": "sessionid=planted"} if number % 3 == 0 else {})
    keeps_cookies.post(link, {"choice": "accept"})
    declined = keeps_cookies.post(link, {"choice": "decline"})
    keeps_cookies.post("/language/", {"language": "ru"})
    assert rows_of_every_table() == before
    assert "messages" in declined.cookies


@pytest.mark.parametrize("limit", [3])
def test_links_that_nobody_has_are_counted_by_address_and_by_nothing_else(page, bob, settings, limit):
    settings.INVITE_FAILURES_PER_IP = parse(f"{limit}/h")
    right, wrong_ones = f"/i/{bob.invite_code}/", ["/i/ZZZZZZ/", "/i/ZZZZZY", "/i/ZZZZZX/card.png"]
    page.get(right)
    before = rows_of_every_table()
    for address in ("/i/0OIL11/", right, "/", right, *wrong_ones):
        assert page.get(address).status_code == (404 if address not in {right, "/"} else 200)
    refused = page.head("/i/ZZZZZZ/")
    assert refused.status_code == 429
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert str(errors.TooManyAttempts.detail) in text_of(page.get(right)), "a hit would tell, too"
    assert "invites you" in text_of(page.get("/")), "what was opened before stays"
    after = rows_of_every_table()
    assert after.pop("users_addressfailure") == before.pop("users_addressfailure") + limit
    assert after == before
    assert page.get(right, REMOTE_ADDR="198.51.100.9").status_code == 200


def test_whoever_is_signed_in_is_counted_by_themselves(page, sms_outbox, bob, settings):
    settings.INVITE_FAILURES_PER_USER = parse("2/h")
    sign_in(page, sms_outbox)
    assert [page.get(f"/i/ZZZZZ{letter}/").status_code for letter in "XYZ"] == [404, 404, 429]
    assert page.post("/profile/", {"invite_code": "ZZZZZX"}).status_code == 429, "one budget for both"
    assert Client().get(f"/i/{bob.invite_code}/").status_code == 200
    assert InviteFailure.objects.count() == 2


def test_an_errand_is_signed_kept_from_scripts_and_short(page, bob, sms_outbox, settings):
    settings.SESSION_COOKIE_SECURE = True
    kept = page.get(f"/i/{bob.invite_code}/").cookies[errand.COOKIE]
    assert (kept["httponly"], kept["samesite"], kept["secure"], kept["max-age"]) == (True, "Lax", True, errand.LASTS)
    for forged in ("x", kept.value[:-1], signing.dumps({"next": "//evil.example"}), "\0"):
        page.cookies[errand.COOKIE] = forged
        assert "invites you" not in text_of(page.get("/"))
    assert sign_in(page, sms_outbox).headers["Location"] == "/profile/"
    assert not Activation.objects.exists()
    assert page.cookies[errand.COOKIE].value == ""


def test_an_errand_that_is_too_old_is_forgotten(page, bob, monkeypatch):
    page.get(f"/i/{bob.invite_code}/")
    assert "invites you" in text_of(page.get("/"))
    monkeypatch.setattr(errand, "LASTS", -1)
    assert "invites you" not in text_of(page.get("/"))


# --- The session ---------------------------------------------------------------------------------------------------


def test_signing_in_changes_the_cookie(page, sms_outbox):
    planted_session = SessionStore()
    planted_session.create()
    planted = page.cookies["sessionid"] = planted_session.session_key
    sign_in(page, sms_outbox)
    assert page.cookies["sessionid"].value != planted
    assert not CookieSession.objects.filter(session_key=planted).exists()


def test_ending_the_session_anywhere_signs_the_browser_out(page, sms_outbox):
    sign_in(page, sms_outbox)
    services.end_session(user=User.objects.get(), session_id=str(Session.objects.get().id))
    assert page.get("/profile/").status_code == 302
    assert "This session has been ended." in text_of(page.get("/send-code/"))


def test_a_user_who_is_switched_off_is_signed_out(page, sms_outbox):
    sign_in(page, sms_outbox)
    User.objects.update(is_active=False)
    assert page.get("/profile/").status_code == 302


def test_another_browser_of_mine_can_be_ended_from_the_profile(page, sms_outbox):
    sign_in(page, sms_outbox)
    mine = Session.objects.get()
    sign_in(
        other := Client(HTTP_USER_AGENT="Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0"),
        sms_outbox,
    )
    there = Session.objects.exclude(id=mine.id).get()
    assert "Firefox, Android" in text_of(page.get("/profile/"))
    assert page.post("/profile/sessions/", {"session": there.id}).headers["Location"] == "/profile/"
    assert other.get("/profile/").status_code == 302
    assert page.get("/profile/").status_code == 200


def test_every_session_is_listed_ten_a_page_beside_the_place_in_the_other_list(page, sms_outbox, browser):
    sign_in(page, sms_outbox)
    alice = User.objects.get()
    own = Session.objects.get()
    for _ in range(24):
        tokens.open_session(alice, browser)
    seen, address = [], "/profile/?cursor=PDE"
    while address:
        html = page.get(address).content.decode()
        found = re.findall(r'name="session" value="([^"]+)"', html)
        assert len(found) <= 10
        assert "cursor=PDE" in address
        seen += found
        older = re.search(r'rel="next" href="(\?[^"#]*sessions=[^"#]+)', html)
        address = older and f"/profile/{unescape(older[1])}"
    newest_first = Session.objects.exclude(id=own.id).order_by("-created_at", "-id")
    assert seen == [str(session.id) for session in newest_first]
    assert page.get("/profile/?sessions=!").status_code == 400


def test_all_other_browsers_can_be_signed_out_at_once(page, sms_outbox, bob, browser):
    sign_in(page, sms_outbox)
    assert "Sign out everywhere else" not in text_of(page.get("/profile/"))
    alice, own, bobs = User.objects.get(phone=ALICE), Session.objects.get(), tokens.open_session(bob, browser)
    for _ in range(30):
        tokens.open_session(alice, browser)
    assert "Sign out everywhere else" in text_of(page.get("/profile/"))
    assert page.post("/profile/sessions/", {"others": "yes"}).headers["Location"] == "/profile/"
    assert "You are signed out everywhere but here." in text_of(page.get("/profile/"))
    assert set(tokens.live_sessions()) == {own, bobs}


def test_a_page_says_when_its_browser_was_last_seen_and_writes_it_once_in_ten_minutes(page, sms_outbox, bob, browser):
    sign_in(page, sms_outbox)
    own, bobs = Session.objects.get(), tokens.open_session(bob, browser)

    def seen_at(session: Session) -> datetime:
        return Session.objects.get(id=session.id).seen_at

    page.get("/profile/")
    assert seen_at(own) == own.seen_at
    Session.objects.update(seen_at=F("seen_at") - timedelta(minutes=11))
    page.get("/profile/")
    written = seen_at(own)
    assert written > own.seen_at > seen_at(bobs)
    page.get("/profile/")
    assert seen_at(own) == written


def test_nobody_elses_session_can_be_ended(page, sms_outbox, bob, browser):
    sign_in(page, sms_outbox)
    sent = services.request_code(phone=BOB, client=browser)
    theirs = services.verify_code(code=code_in(sms_outbox), challenge=sent.challenge, client=browser).session
    for session in (theirs.id, "", "x"):
        refused = page.post("/profile/sessions/", {"session": session})
        assert refused.status_code == 404
        assert str(errors.NotFound.detail) in text_of(refused)
    theirs.refresh_from_db()
    assert theirs.ended_at is None


def test_a_session_won_by_sms_never_opens_the_admin_site(page, sms_outbox):
    sign_in(page, sms_outbox)
    User.objects.update(is_staff=True, is_superuser=True)
    assert page.get("/profile/").status_code == 200
    assert page.get("/admin/").headers["Location"] == "/admin/login/?next=/admin/"


def test_the_api_takes_no_cookie_for_identity(page, sms_outbox):
    sign_in(page, sms_outbox)
    assert page.get("/api/users/me/").status_code == 401


def test_a_form_without_its_token_is_refused_in_words(sms_outbox):
    strict = Client(enforce_csrf_checks=True)
    for address in ("/send-code/", "/verify-code/", "/logout/", "/i/ABC234/", "/language/", "/profile/sessions/"):
        refused = strict.post(address, {"phone": ALICE})
        assert refused.status_code == 403
        assert str(errors.StaleForm.detail) in text_of(refused)
    assert sms_outbox == []


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 302),
        ({"Origin": "http://testserver"}, 302),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://testserver"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_form_of_ours_may_be_older_than_the_sign_in_in_another_tab(page, sms_outbox, said, status):
    page.get("/")
    old = page.cookies["csrftoken"].value
    sign_in(page, sms_outbox)
    assert page.cookies["csrftoken"].value != old
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = page.cookies
    for address in ("/language/", "/send-code/"):
        posted = {"language": "ru", "phone": ALICE, "csrfmiddlewaretoken": old}
        assert strict.post(address, posted, headers=said).status_code == status
    assert len(sms_outbox) == 1


def test_a_browser_that_keeps_no_cookies_is_told_so(sms_outbox):
    refused = Client(enforce_csrf_checks=True).post(
        "/send-code/", {"phone": ALICE}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert refused.status_code == 403
    assert "your browser does not keep cookies" in text_of(refused)
    assert sms_outbox == []


# --- The profile ---------------------------------------------------------------------------------------------------


def test_the_profile_shows_who_came_with_full_numbers(page, sms_outbox, bob):
    sign_in(page, sms_outbox)
    services.activate_invite(user=bob, invite_code=User.objects.get(phone=ALICE).invite_code)
    words = text_of(page.get("/profile/"))
    assert "+7 913 674-00-12" in words
    assert "1 person in 30 days" in words


def test_where_nobody_came_lately_no_plot_is_drawn(page, sms_outbox, bob):
    sign_in(page, sms_outbox)
    Activation.objects.create(inviter=User.objects.get(phone=ALICE), invitee=bob)
    assert '<figure class="arrivals">\n    <svg' in page.get("/profile/").content.decode()
    Activation.objects.update(created_at=timezone.now() - timedelta(days=40))
    profile = page.get("/profile/")
    assert "Nobody in the last 30 days." in text_of(profile)
    assert "<rect" not in profile.content.decode()


@pytest.mark.parametrize(("language", "thousand"), [("en", "1,000"), ("ru", "1\xa0000")])
def test_numbers_are_grouped_as_the_language_has_it(page, sms_outbox, bob, language, thousand):
    sign_in(page, sms_outbox)
    alice = User.objects.filter(phone=ALICE)
    Activation.objects.create(inviter=alice.get(), invitee=bob)
    alice.update(referrals_count=1000, invite_opened=1000)
    html = page.get("/profile/", headers={"Accept-Language": language}).content.decode()
    assert f'<p class="count">{thousand}</p>' in html
    assert html.count(thousand) == 2


def test_an_inviter_who_has_left_is_not_named(page, sms_outbox, bob, browser):
    sign_in(page, sms_outbox)
    page.post("/profile/", {"invite_code": bob.invite_code})
    page.get("/profile/")  # the notice names them still
    sent = services.request_code(phone=BOB, client=browser)
    services.delete_account(user=bob, code=sent.otp, challenge=sent.challenge)
    assert f"Who invited you {bob.invite_code} somebody who has left" in text_of(page.get("/profile/"))


def test_those_who_came_are_shown_twenty_a_page(page, sms_outbox):
    sign_in(page, sms_outbox)
    alice = User.objects.get()
    for number in range(45):
        invitee = User.objects.get_or_register(f"+79261230{number:03}")[0]
        Activation.objects.create(inviter=alice, invitee=invitee)
    seen, address = [], "/profile/"
    while address:
        html = page.get(address).content.decode()
        found = re.findall(r"\+7 926 123-0(\d)-(\d\d)", html)
        assert len(found) <= 20
        seen += [int(hundreds + rest) for hundreds, rest in found]
        older = re.search(r'rel="next" href="(\?cursor=[^"#]+)#people', html)
        address = older and f"/profile/{older[1]}"
    assert seen == list(range(44, -1, -1))
    assert page.get("/profile/?cursor=!").status_code == 400


def test_a_number_among_words_is_not_broken_and_words_are_no_markup():
    assert unbroken("<b>1 + 2</b> by +7 913 ***-**-12.") == (
        '&lt;b&gt;1 + 2&lt;/b&gt; by <span class="nowrap">+7 913 ***-**-12</span>.'
    )


def test_an_invite_code_is_activated_on_the_profile(page, sms_outbox, bob):
    sign_in(page, sms_outbox)
    assert "Its owner will see your phone number." in text_of(page.get("/profile/"))
    code = f"{bob.invite_code[:3]}-{bob.invite_code[3:]}".lower()
    assert page.post("/profile/", {"invite_code": code}).status_code == 302
    words = text_of(page.get("/profile/"))
    assert "Done. +7 913 ***-**-12 invited you." in words
    assert f"Who invited you {bob.invite_code} +7 913 ***-**-12" in words
    assert Activation.objects.get().inviter == bob


def test_whoever_came_back_is_told_why_there_is_no_form(page, sms_outbox, bob, browser):
    sign_in(page, sms_outbox)
    services.activate_invite(user=User.objects.get(phone=ALICE), invite_code=bob.invite_code)
    page.post("/profile/delete/code/")
    page.post("/profile/delete/", {"code": code_in(sms_outbox)})
    sign_in(page, sms_outbox)
    answer = page.get("/profile/")
    assert "This number has been here before and has activated an invite code then." in text_of(answer)
    assert 'id="id_invite_code"' not in answer.content.decode()
    assert page.post("/profile/", {"invite_code": bob.invite_code}).status_code == 409


@pytest.mark.parametrize(
    ("typed", "status", "error"),
    [
        ("own", 400, errors.OwnInvite),
        ("22222", 400, None),
        ("ZZZZZZ", 404, errors.InviteNotFound),
        ("taken", 409, errors.InviteAlreadyActivated),
    ],
)
def test_an_invite_code_is_refused_beside_the_field(page, sms_outbox, bob, charlie, typed, status, error):
    sign_in(page, sms_outbox)
    alice = User.objects.get(phone=ALICE)
    if typed == "taken":
        services.activate_invite(user=alice, invite_code=charlie.invite_code)
    typed = {"own": alice.invite_code, "taken": bob.invite_code}.get(typed, typed)
    before = Activation.objects.count()
    refused = page.post("/profile/", {"invite_code": typed})
    assert refused.status_code == status
    expected = error.detail if error else "An invite code is 6 letters and digits, such as A2B3C4."
    assert error_beside(refused, "invite_code") == str(expected)
    assert typed_in(refused, "invite_code") == typed
    assert Activation.objects.count() == before


# --- The invite link -----------------------------------------------------------------------------------------------


def test_an_invite_link_greets_and_activates_by_itself_after_the_sign_in(page, sms_outbox, bob):
    greeting = page.get(f"/i/{bob.invite_code}/")
    assert greeting.status_code == 200
    assert "+7 913 ***-**-12 invites you" in text_of(greeting)
    assert "+7 913 ***-**-12 invites you." in text_of(page.get("/")), "another tab knows it too"
    sign_in(page, sms_outbox)
    assert "You came by the invitation of +7 913 ***-**-12 ." in text_of(page.get("/profile/"))
    assert Activation.objects.get().inviter == bob


def test_an_invitation_can_be_declined_before_the_sign_in(page, sms_outbox, bob):
    link = f"/i/{bob.invite_code}/"
    page.get(link)
    assert page.post(link, {"choice": "decline"}).headers["Location"] == "/"
    assert "Nobody will see your number." in text_of(page.get("/"))
    assert "invites you" not in text_of(page.get("/send-code/"))
    sign_in(page, sms_outbox)
    assert not Activation.objects.exists()


def test_opening_a_link_changes_nothing_for_those_who_are_signed_in_until_they_accept(page, sms_outbox, bob):
    sign_in(page, sms_outbox)
    link = f"/i/{bob.invite_code}/"
    assert 'value="accept"' in page.get(link).content.decode()
    assert not Activation.objects.exists()
    page.post(link, {"choice": "decline"})
    assert not Activation.objects.exists()
    assert page.post(link, {"choice": "accept"}).headers["Location"] == "/profile/"
    assert Activation.objects.get().inviter == bob


def test_accepting_without_having_signed_in_activates_nothing(page, bob):
    assert page.post(f"/i/{bob.invite_code}/", {"choice": "accept"}).headers["Location"] == "/"
    assert not Activation.objects.exists()


def test_a_link_says_why_it_can_do_nothing(page, sms_outbox, bob, charlie):
    sign_in(page, sms_outbox)
    alice = User.objects.get(phone=ALICE)
    assert "This is your own link." in text_of(page.get(f"/i/{alice.invite_code}/"))
    services.activate_invite(user=alice, invite_code=bob.invite_code)
    assert "You came by this invitation already." in text_of(page.get(f"/i/{bob.invite_code}/"))
    assert "You came by another invitation already." in text_of(page.get(f"/i/{charlie.invite_code}/"))


def test_a_link_followed_by_somebody_who_came_before_says_so_after_the_sign_in(page, sms_outbox, alice, bob, charlie):
    services.activate_invite(user=alice, invite_code=bob.invite_code)
    page.get(f"/i/{charlie.invite_code}/")
    sign_in(page, sms_outbox)
    assert str(errors.InviteAlreadyActivated.detail) in text_of(page.get("/profile/"))
    assert Activation.objects.get().inviter == bob


@pytest.mark.parametrize(
    "written", ["{}", "{}.", "{}./", "{}/.", "{}/)", "({})", "{},", "{}/%C2%BB", "{}%20", "%C2%AD{}/"]
)
def test_a_link_that_was_copied_with_more_leads_to_the_right_page(page, bob, written):
    for code in (bob.invite_code, bob.invite_code.lower()):
        answer = page.get(f"/i/{written.format(code)}", follow=True)
        assert answer.request["PATH_INFO"] == f"/i/{bob.invite_code}/"
        assert "+7 913 ***-**-12 invites you" in text_of(answer)


@pytest.mark.parametrize("code", ["ZZZZZZ", "22222", "0OIL11", "<script>", "ABC%00DE", "ABC/DEF", "ZZZZZZ/.", "//"])
def test_an_unknown_link_is_a_friendly_404(page, code):
    answer = page.get(f"/i/{code}/")
    assert answer.status_code == 404
    assert str(errors.InviteNotFound.detail) in text_of(answer)
    assert "sessionid" not in page.cookies


def test_the_words_of_a_link_preview_hold_no_number_and_no_code(page, bob):
    html = page.get(f"/i/{bob.invite_code}/").content.decode()
    previews = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', html))
    assert previews["title"] == "You are invited to Zovi"
    assert not re.search(r"\d{2}|\*", previews["title"] + previews["description"])


# --- The demo's inbox ----------------------------------------------------------------------------------------------


def test_the_inbox_shows_what_the_simulated_gateway_delivered(db):
    page = Client()
    page.post("/send-code/", {"phone": ALICE})
    message = Message.objects.get()
    assert message.phone == ALICE
    words = text_of(page.get("/dev/inbox/"))
    assert f"+7 913 ***-**-00 {message.created_at:%H:%M:%S} UTC {message.words}" in words
    assert ALICE not in words
    assert "@testserver" not in words
    assert message.words in text_of(page.get("/verify-code/"))


def test_the_inbox_keeps_the_newest_messages_only(db):
    for number in range(230):
        Message.objects.deliver(ALICE, f"message {number}\n\n@zovi.example #0000")
    assert Message.objects.count() < 100
    words = text_of(Client().get("/dev/inbox/"))
    assert [int(number) for number in re.findall(r"message (\d+)", words)] == list(range(229, 209, -1))


def test_there_is_no_inbox_outside_a_demo(page, real_outbox):
    page.post("/send-code/", {"phone": ALICE})
    code = code_in(real_outbox)
    assert code not in text_of(page.get("/verify-code/"))
    assert page.get("/dev/inbox/").status_code == 404
    assert not Message.objects.exists()


def test_a_person_who_leaves_takes_their_messages_along(alice, browser):
    sent = services.request_code(phone=ALICE, client=browser)
    services.delete_account(user=alice, code=sent.otp, challenge=sent.challenge)
    assert not Message.objects.exists()


# --- Every page ----------------------------------------------------------------------------------------------------


def test_the_language_follows_the_browser_and_the_switch(page):
    russian = {"Accept-Language": "ru,en;q=0.5"}
    assert '<html lang="ru">' in page.get("/", headers=russian).content.decode()
    assert '<html lang="en">' in page.get("/", headers={"Accept-Language": "de"}).content.decode()
    assert page.post("/language/", {"language": "ru", "next": "/send-code/"}).headers["Location"] == "/send-code/"
    assert '<html lang="ru">' in page.get("/").content.decode()
    assert page.post("/language/", {"language": "en", "next": "//evil.example"}).headers["Location"] == "/"


def test_the_switch_stays_where_the_visitor_is(page, sms_outbox):
    sign_in(page, sms_outbox)
    for address in ("/profile/?cursor=PDE", "/nothing/?a=b&c", "/profile/?cursor=!"):
        html = page.get(address).content.decode()
        here = unescape(re.search(r'name="next" value="([^"]*)"', html)[1])
        assert page.post("/language/", {"language": "ru", "next": here}).headers["Location"] == here == address
        assert '<html lang="ru">' in page.get(here).content.decode()
        page.post("/language/", {"language": "en", "next": here})


def test_refusals_are_in_the_visitors_language(page):
    refused = page.post("/send-code/", {"phone": "1"}, headers={"Accept-Language": "ru"})
    assert error_beside(refused, "phone").startswith("Это не похоже на номер телефона.")
    missing = page.get("/nothing/", headers={"Accept-Language": "ru"})
    assert missing.status_code == 404
    assert "Здесь ничего нет." in text_of(missing)


def test_every_page_has_one_heading_a_language_and_an_icon(page, sms_outbox, bob):
    addresses = ["/", "/send-code/", f"/i/{bob.invite_code}/", "/dev/inbox/", "/nothing/"]
    answers = [page.get(address) for address in addresses]
    page.post("/send-code/", {"phone": ALICE})
    answers.append(page.get("/verify-code/"))
    page.post("/verify-code/", {"code": code_in(sms_outbox)})
    answers += [page.get(address) for address in ("/profile/", "/logout/", f"/i/{bob.invite_code}/")]
    for answer in answers:
        html = answer.content.decode()
        assert html.count("<h1") == 1
        assert '<html lang="en">' in html
        assert 'rel="icon"' in html
        assert re.search(r"<title>\s*\S.*Zovi</title>", html)
        assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=|https?://(?!testserver)", html)


def test_only_a_demo_leads_its_visitors_to_the_descriptions_of_the_api(page, settings):
    assert text_of(page.get("/")).endswith("Swagger ReDoc ")
    settings.DEMO = False
    assert "Swagger" not in text_of(page.get("/"))
    assert page.get("/redoc/").status_code == 200


def test_an_administrator_is_made_from_any_usual_form_of_a_number(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command("createsuperuser", interactive=False, phone="8 (913) 674-00-00", verbosity=0)
    admin = User.objects.get()
    assert (admin.phone, admin.is_staff, admin.is_superuser) == (ALICE, True, True)
    with pytest.raises(CommandError, match="This is not a phone number"):
        call_command("createsuperuser", interactive=False, phone="12", verbosity=0)


# --- Leaving ----------------------------------------------------------------------------------------------------


def test_an_export_is_a_file_with_ones_own_data(page, sms_outbox):
    sign_in(page, sms_outbox)
    response = page.get("/profile/export/")
    assert response["Content-Disposition"] == 'attachment; filename="account.json"'
    assert json.loads(response.getvalue())["phone_number"] == ALICE
    assert page.get("/profile/").content.decode().count('href="/profile/export/"') == 1


def test_an_account_is_deleted_after_a_fresh_code_to_its_own_number(page, sms_outbox):
    sign_in(page, sms_outbox)
    assert "id_code" not in text_of(page.get("/profile/delete/"))
    response = page.post("/profile/delete/", {"code": "0000"})
    assert (response.status_code, error_beside(response, "code")) == (
        400,
        "Ask for a code first.",
    )

    assert page.post("/profile/delete/code/").status_code == 302
    assert sms_outbox[-1][0] == ALICE
    code = code_in(sms_outbox)
    assert page.post("/profile/delete/", {"code": wrong(code)}).status_code == 400
    assert User.objects.get().phone == ALICE

    response = page.post("/profile/delete/", {"code": code}, follow=True)
    assert "Your account is deleted" in text_of(response)
    assert User.objects.get().phone is None
    assert page.get("/profile/").status_code == 302


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_an_administrator_is_told_before_a_code_is_sent_and_finds_no_form(page, sms_outbox, right):
    sign_in(page, sms_outbox)
    page.post("/profile/phone/", {"phone": BOB})
    before = len(sms_outbox)
    User.objects.update(**{right: True})
    Session.objects.update(created_at=F("created_at") - timedelta(minutes=11))
    sends = ("/profile/phone/resend/", "/profile/delete/code/")
    answers = [page.get(address) for address in ("/profile/phone/", "/profile/phone/code/", "/profile/delete/")]
    answers += [page.post("/profile/phone/", {"phone": BOB}), *(page.post(address) for address in sends)]
    answers += [page.post(address, {"code": "0000"}) for address in ("/profile/phone/code/", "/profile/delete/")]
    for answer in answers:
        assert answer.status_code == 403
        assert str(errors.AdministratorsAccount.detail) in unescape(text_of(answer))
        assert set(re.findall(r'action="([^"]*)"', answer.content.decode())) == {"/logout/", "/language/"}
    assert len(sms_outbox) == before
    assert User.objects.get().phone == ALICE


def test_leaving_is_for_those_who_are_signed_in(page):
    for address in ("/profile/export/", "/profile/delete/", "/profile/delete/code/"):
        assert page.get(address).status_code == 302
    assert page.post("/profile/delete/", {"code": "0000"}).status_code == 302
