"""What the log is told: every fact of every event, and nothing that should not be there."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db.models import F

from tests.support.people import ALICE, BOB
from users import errors, services, tokens
from users.models import Challenge, Session

pytestmark = pytest.mark.django_db
MASKED = "+7 913 ***-**-00"


@pytest.fixture
def told(caplog):
    """Events as (name, facts), oldest first."""
    caplog.set_level("INFO", "zovi")
    return lambda: [(record.getMessage(), record.facts) for record in caplog.records if record.name == "zovi"]


def sign_in(browser, phone=ALICE):
    sent = services.request_code(phone=phone, client=browser)
    return services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)


def test_a_sign_in_tells_who_where_and_whether_for_the_first_time(told, browser):
    for is_new in (True, False):
        entered = sign_in(browser)
        facts = {"user": str(entered.user.id), "session": str(entered.session.id), "address": browser.address}
        assert told()[-2:] == [
            ("code_sent", {"phone": MASKED, "address": browser.address}),
            ("signed_in", facts | {"is_new": is_new}),
        ]


def test_a_wrong_code_tells_the_masked_phone_and_what_is_left(told, browser):
    sent = services.request_code(phone=ALICE, client=browser)
    wrong = f"{(int(sent.otp) + 1) % 10_000:04}"
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=wrong, challenge=sent.challenge, client=browser)
    assert told()[-1] == ("code_refused", {"phone": MASKED, "address": browser.address, "attempts_left": 2})


def test_a_logout_a_stolen_token_and_a_departure_tell_whose_they_were(told, browser):
    entered = sign_in(browser)
    whose = {"user": str(entered.user.id), "session": str(entered.session.id)}
    services.refresh(refresh_token=entered.tokens.refresh)
    Session.objects.update(refreshed_at=F("refreshed_at") - timedelta(minutes=5))
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=entered.tokens.refresh)
    assert told()[-1] == ("token_reused", whose)

    entered = sign_in(browser)
    user = tokens.authenticate(f"Bearer {entered.tokens.access}")
    services.logout(user=user)
    assert told()[-1] == ("signed_out", {"user": str(user.id), "session": str(entered.session.id)})

    sent = services.request_code(phone=ALICE, client=browser)
    services.delete_account(user=user, code=sent.otp, challenge=sent.challenge)
    assert told()[-1] == ("account_deleted", {"user": str(user.id)})


def test_an_activation_tells_both_sides_once(told, alice, bob):
    for _ in range(2):
        services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert told() == [("invite_activated", {"user": str(bob.id), "inviter": str(alice.id)})]


def test_leaving_takes_every_right_and_every_open_code_along(alice, browser):
    alice.set_password("correct horse battery")  # as somebody has who was an administrator once
    alice.save()
    alice.user_permissions.add(Permission.objects.first())
    other = services.request_code(phone=ALICE, client=browser)
    sent = services.request_code(phone=ALICE, client=browser)
    services.delete_account(user=alice, code=sent.otp, challenge=sent.challenge)
    alice.refresh_from_db()
    assert (alice.is_active, alice.user_permissions.count()) == (False, 0)
    assert not alice.has_usable_password()
    assert set(Challenge.objects.values_list("phone", "slot")) == {("", None)}
    with pytest.raises(errors.InvalidCode) as refused:
        services.verify_code(code=other.otp, challenge=other.challenge, client=browser)
    assert refused.value.extra == {"attempts_left": 0}


def test_a_refresh_lengthens_the_session_and_says_so_in_its_row(browser, settings):
    entered = sign_in(browser, BOB)
    Session.objects.update(
        expires_at=F("expires_at") - timedelta(days=20), refreshed_at=F("refreshed_at") - timedelta(days=20)
    )
    services.refresh(refresh_token=entered.tokens.refresh)
    row = Session.objects.get()
    lives = (row.expires_at - row.refreshed_at).total_seconds()
    assert lives == settings.REFRESH_TOKEN_TTL
    assert abs((row.refreshed_at - row.created_at).total_seconds()) < 60
