"""An administrator's number changes in the admin alone, by a superuser; so does what the operator gives back."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.support.people import ALICE, BOB, CHARLIE, at_once
from users import errors, services, tokens
from users.models import User
from users.services.administration import find_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
NEW = "+79161112233"


@pytest.fixture
def superuser() -> User:
    return User.objects.create_superuser(CHARLIE, PASSWORD)


@pytest.fixture
def admin(superuser) -> Client:
    client = Client()
    client.force_login(superuser)
    return client


def page_of(user) -> str:
    return f"/admin/users/user/{user.id}/phone/"


def test_an_administrators_number_changes_and_they_sign_in_with_the_new_one(
    admin, bob, browser, sms_outbox, django_capture_on_commit_callbacks
):
    staff = User.objects.create_superuser(BOB, PASSWORD)
    session = tokens.open_session(bob, browser)
    assert f'href="{page_of(staff)}"' in admin.get(f"/admin/users/user/{staff.id}/change/").content.decode()
    page = admin.get(page_of(staff))
    assert (page.status_code, BOB in page.content.decode()) == (200, False)
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(page_of(staff), {"phone": "8 916 111-22-33"})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/users/user/{staff.id}/change/")
    staff.refresh_from_db()
    assert (staff.phone, staff.is_superuser) == (NEW, True)
    assert not tokens.live_sessions().filter(id=session.id).exists()
    assert [phone for phone, _ in sms_outbox] == [BOB]
    log = LogEntry.objects.get()
    assert log.get_change_message()
    assert NEW not in log.change_message + log.object_repr
    for phone, status in ((BOB, 200), (NEW, 302)):
        assert Client().post("/admin/login/", {"username": phone, "password": PASSWORD}).status_code == status


def test_ones_own_number_changes_and_one_stays_signed_in(admin, superuser):
    assert admin.post(page_of(superuser), {"phone": NEW}).status_code == 302
    assert admin.get("/admin/").status_code == 200
    assert find_user(phone_or_code=NEW) == superuser


@pytest.mark.parametrize(
    ("phone", "words"),
    [("", "This field is required."), ("12", errors.InvalidPhone.detail), (ALICE, errors.PhoneTaken.detail)],
)
def test_what_cannot_be_is_said_beside_the_field_and_changes_nothing(admin, alice, bob, sms_outbox, phone, words):
    answer = admin.post(page_of(bob), {"phone": phone})
    assert (answer.status_code, str(words) in answer.content.decode()) == (400, True)
    assert User.objects.get(id=bob.id).phone == BOB
    assert (sms_outbox, LogEntry.objects.count()) == ([], 0)


def test_only_a_superuser_may(alice, bob):
    client = Client()
    assert client.post(page_of(bob), {"phone": NEW}).status_code == 302  # to the sign-in
    User.objects.filter(id=alice.id).update(is_staff=True)
    client.force_login(User.objects.get(id=alice.id))
    assert client.get(page_of(bob)).status_code == client.post(page_of(bob), {"phone": NEW}).status_code == 403
    assert User.objects.get(id=bob.id).phone == BOB


def test_whoever_lost_their_number_gets_one_again_and_whoever_left_none(admin, alice, bob, browser, settings):
    User.objects.filter(id=alice.id).update(phone=None, is_active=False, set_aside_at="2026-01-01T00:00:00Z")
    User.objects.filter(id=bob.id).update(phone=None, is_active=False)
    assert f'href="{page_of(alice)}"' in admin.get(f"/admin/users/user/{alice.id}/change/").content.decode()
    assert f'href="{page_of(bob)}"' not in admin.get(f"/admin/users/user/{bob.id}/change/").content.decode()
    assert admin.post(page_of(alice), {"phone": NEW}).status_code == 302
    assert admin.post(page_of(bob), {"phone": ALICE}).status_code == 403
    alice.refresh_from_db()
    assert (alice.phone, alice.is_active, alice.set_aside_at) == (NEW, True, None)
    assert User.objects.get(id=bob.id).phone is None


def test_a_test_keeps_its_number(admin):
    tester, _ = User.objects.get_or_register("+79990000001", is_test=True)
    assert admin.post(page_of(tester), {"phone": NEW}).status_code == 403


def test_nobody_is_not_found(admin):
    assert admin.get("/admin/users/user/3b9f4c52-8a55-4f0e-9a3c-0d6f1b7e2c11/phone/").status_code == 404


def test_the_number_is_locked_before_the_row(admin, bob):
    with CaptureQueriesContext(connection) as captured:
        admin.post(page_of(bob), {"phone": NEW})
    statements = [query["sql"] for query in captured.captured_queries]
    locks = [
        "number" if "EXECUTE" in sql else "row"
        for sql in statements
        if sql.startswith("EXECUTE") or ("FOR UPDATE" in sql and "users_user" in sql)
    ]
    assert locks[:2] == ["number", "row"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_a_change_and_switching_off_at_once_wait_for_each_other(admin, bob, browser, _round):
    def act(number: int):
        if number % 2:
            return services.switch_users(users=User.objects.filter(id=bob.id), active=False)
        return admin.post(page_of(bob), {"phone": NEW}).status_code

    assert at_once(2, act) == [302, 1]
    bob.refresh_from_db()
    assert (bob.phone, bob.is_active) == (NEW, False)
