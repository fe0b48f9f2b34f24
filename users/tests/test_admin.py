"""The admin site: a password opens it, lists show phones masked, and what it changes holds at once."""

import re
from decimal import Decimal

import pytest
from django.contrib.auth import forms
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from tests.support.people import ALICE, BOB
from users import services, tokens
from users.models import AddressFailure, Challenge, Session, User
from users.rates import parse
from users.services import bill

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def admin() -> Client:
    User.objects.create_superuser("8 926 123-45-67", PASSWORD)
    client = Client()
    answer = client.post("/admin/login/", {"username": "+7 (926) 123-45-67", "password": PASSWORD})
    assert answer.status_code == 302
    return client


@pytest.fixture
def session(alice, browser) -> Session:
    return tokens.open_session(alice, browser)


def choose(admin, model: str, action: str, *rows):
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return admin.post(f"/admin/users/{model}/", data, follow=True)


def test_a_wrong_password_opens_nothing(alice):
    User.objects.update(is_staff=True)
    answer = Client().post("/admin/login/", {"username": ALICE, "password": ""})
    assert answer.status_code == 200
    assert Client().get("/admin/").status_code == 302


def test_passwords_are_counted_by_address_before_they_are_hashed(alice, settings, monkeypatch, caplog):
    settings.ADMIN_FAILURES_PER_IP = parse("3/h")
    User.objects.create_superuser("8 926 123-45-67", PASSWORD)
    hashed = []
    authenticate = forms.authenticate
    monkeypatch.setattr(forms, "authenticate", lambda *args, **given: hashed.append(1) or authenticate(*args, **given))
    right = {"username": "+79261234567", "password": PASSWORD}
    assert Client().post("/admin/login/", right).status_code == 302, "what was no failure does not count"
    for wrong in (
        {"username": "+79261234567", "password": "x"},
        {"username": ALICE, "password": "secret"},
        {"username": "secret", "password": "x"},
    ):
        assert Client().post("/admin/login/", wrong).status_code == 200
    refused = Client().post("/admin/login/", right)
    assert refused.status_code == 429
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert "Too many wrong attempts." in refused.content.decode()
    assert len(hashed) == 4
    assert Client().post("/admin/login/", right, REMOTE_ADDR="198.51.100.9").status_code == 302
    told = [record for record in caplog.records if record.message == "password_refused"]
    assert [record.facts for record in told] == [{"address": "127.0.0.1"}] * 3
    assert "secret" not in caplog.text
    assert "926" not in caplog.text
    assert AddressFailure.objects.count() == 3


def test_pages_are_called_what_they_show(admin, alice, session):
    for address, title in (
        ("users/user/", "Пользователи"),
        (f"users/user/{alice.pk}/change/", "Пользователь"),
        ("users/session/", "Сеансы"),
        (f"users/session/{session.pk}/change/", "Сеанс"),
    ):
        html = admin.get(f"/admin/{address}", HTTP_ACCEPT_LANGUAGE="ru").content.decode()
        assert re.findall(r"<h1>(.*?)</h1>", html) == [title]


@pytest.mark.parametrize(("language", "day"), [("en", "%-d %b"), ("ru", "%d.%m")])
def test_days_are_written_as_the_language_writes_them(admin, language, day):
    today = timezone.now().strftime(day)
    assert f'<th scope="row">{today}</th>' in admin.get("/admin/", HTTP_ACCEPT_LANGUAGE=language).content.decode()


def test_the_front_page_counts_what_happened_today(admin, alice, bob, session):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    today = services.daily_counts()[0]
    assert (today.users, today.activations, today.codes, today.sessions) == (3, 1, 0, 1)
    html = admin.get("/admin/").content.decode()
    assert "<td>3</td><td>1</td><td>0</td><td>1</td>" in html


@pytest.mark.parametrize("model", ["user", "activation", "challenge", "session"])
def test_no_list_shows_a_whole_number(admin, alice, bob, browser, session, model):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.request_code(phone=ALICE, client=browser)
    html = admin.get(f"/admin/users/{model}/").content.decode()
    assert "+7 913 ***-**-00" in html
    assert ALICE not in html
    assert BOB not in html


@pytest.mark.parametrize("written", ["8 913 674-00-00", "+79136740000", "code"])
def test_a_user_is_found_by_phone_or_code_without_either_in_the_address(admin, alice, bob, written):
    written = alice.invite_code.lower() if written == "code" else written
    answer = admin.post("/admin/users/user/find/", {"q": written})
    assert answer.headers["Location"] == f"/admin/users/user/{alice.id}/change/"
    assert ALICE in admin.get(answer.headers["Location"]).content.decode()


@pytest.mark.parametrize("written", ["8 913 674-00-99", "ZZZZZZ", "", "\0"])
def test_whoever_is_not_found_is_told_so(admin, alice, written):
    answer = admin.post("/admin/users/user/find/", {"q": written}, follow=True)
    assert "Nobody has this phone number or invite code." in answer.content.decode()


def test_looking_somebody_up_needs_the_right_to_see_users(admin, alice):
    User.objects.filter(is_superuser=True).update(is_superuser=False)
    assert admin.post("/admin/users/user/find/", {"q": ALICE}).status_code == 403


def test_switching_a_user_off_ends_every_session_and_on_again_opens_none(admin, alice, bob, session):
    answer = choose(admin, "user", "switch_off", alice, bob, User.objects.get(is_superuser=True))
    assert "2 changed." in answer.content.decode()
    alice.refresh_from_db()
    assert not alice.is_active
    assert tokens.resume(str(session.id)) is None
    choose(admin, "user", "switch_on", alice)
    alice.refresh_from_db()
    assert alice.is_active
    assert tokens.resume(str(session.id)) is None


def test_the_page_of_a_user_switches_them_too_and_writes_nothing_else(admin, alice, bob, session):
    page = f"/admin/users/user/{alice.id}/change/"
    admin.post(page, {"is_staff": "on"})
    alice.refresh_from_db()
    assert (alice.is_active, alice.is_staff, alice.phone) == (False, True, ALICE)
    assert tokens.resume(str(session.id)) is None
    admin.post(page, {"is_active": "on"})
    alice.refresh_from_db()
    assert (alice.is_active, alice.is_staff) == (True, False)
    assert tokens.resume(str(session.id)) is None


def test_whoever_has_left_is_for_looking_only(admin, alice, browser):
    sent = services.request_code(phone=ALICE, client=browser)
    services.delete_account(user=alice, code=sent.otp, challenge=sent.challenge)
    page = f"/admin/users/user/{alice.id}/"
    assert f"– · {alice.invite_code}" in admin.get(f"{page}change/").content.decode()
    assert admin.post(f"{page}change/", {"is_active": "on"}).status_code == 403
    assert admin.post(f"{page}password/", {"password1": PASSWORD, "password2": PASSWORD}).status_code == 403
    assert "0 changed." in choose(admin, "user", "switch_on", alice).content.decode()
    alice.refresh_from_db()
    assert (alice.is_active, alice.has_usable_password()) == (False, False)
    for model in ("user", "challenge", "session", "activation"):
        assert admin.get(f"/admin/users/{model}/").status_code == 200


@pytest.mark.parametrize("model", ["user", "activation", "challenge", "session"])
def test_pages_are_headed_by_masked_numbers_and_not_by_ids(admin, alice, bob, browser, session, model):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.request_code(phone=ALICE, client=browser)
    row = {"user": alice, "activation": bob.activation, "session": session}.get(model) or Challenge.objects.get()
    for page in ("change", "history"):
        html = admin.get(f"/admin/users/{model}/{row.pk}/{page}/").content.decode()
        headings = re.findall(r"<(?:h1|h2|title)[^>]*>([^<]*)<", html) + re.findall(r"&rsaquo; ([^<]*)<", html)
        assert any("+7 913 ***-**-00" in heading for heading in headings)
        assert not [heading for heading in headings if re.search(r"[0-9a-f]{8}-", heading)]


def test_a_session_can_be_ended(admin, session):
    assert "1 session ended." in choose(admin, "session", "end", session).content.decode()
    assert tokens.resume(str(session.id)) is None
    assert "0 sessions ended." in choose(admin, "session", "end", session).content.decode()


@pytest.mark.parametrize("model", ["activation", "challenge", "session"])
def test_what_the_services_write_is_for_looking_only(admin, alice, bob, browser, session, model):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.request_code(phone=ALICE, client=browser)
    rows = {"activation": bob.activation, "session": session}
    row = rows.get(model) or Challenge.objects.get()
    assert admin.get(f"/admin/users/{model}/{row.pk}/change/").status_code == 200
    assert admin.post(f"/admin/users/{model}/{row.pk}/change/", {}).status_code == 403
    assert admin.post(f"/admin/users/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get(f"/admin/users/{model}/add/").status_code == 403


def test_a_user_keeps_number_and_code_and_is_not_deleted(admin, alice):
    page = f"/admin/users/user/{alice.id}/"
    admin.post(f"{page}change/", {"phone": BOB, "invite_code": "ABCDEF", "is_active": "on"})
    assert User.objects.filter(id=alice.id, phone=ALICE, invite_code=alice.invite_code).exists()
    assert admin.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    assert admin.get("/admin/users/user/add/").status_code == 403


def test_the_first_page_shows_what_messages_cost_by_region_and_day(admin, browser):
    for phone, used in ((ALICE, True), (BOB, False), ("+447911123456", False)):
        sent = services.request_code(phone=phone, client=browser)
        Challenge.objects.filter(id=sent.challenge).update(cost="3.5", used_at=Now() if used else None)
    Challenge.objects.exclude(region="RU").update(region="GB", cost=None)
    lines = bill.bill()
    shown = [(line.region, line.sent, line.used, line.wasted, line.spent, line.spent_in_vain) for line in lines]
    assert shown == [("GB", 1, 0, 1, 0, 0), ("RU", 2, 1, 1, 7, Decimal("3.5"))]
    [day] = bill.by_day(lines)
    assert (day.sent, day.used, day.spent, day.spent_in_vain) == (3, 1, 7, Decimal("3.5"))
    page = admin.get("/admin/").content.decode()
    assert '<rect class="sent" width="300" height="12"/><rect class="used" width="100" height="12"/>' in page
    assert "<td>2</td><td>1</td><td>1<br><small>3.50</small></td><td>7.00</td>" in page
    assert "<td>1</td><td>0</td><td>1</td><td>–</td>" in page


@pytest.mark.parametrize("asked", ["created_at__year=99999", "created_at__gte=x", "id__exact=%00"])
def test_an_address_that_asks_for_what_cannot_be_leads_back_to_the_list(admin, asked):
    answer = admin.get(f"/admin/users/user/?{asked}")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/users/user/?e=1")
