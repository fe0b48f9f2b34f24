from datetime import timedelta

import pytest
from django.db.models import F

from tests.support.people import ALICE, BOB, wrong
from users import errors, services
from users.clients import Client
from users.models import Activation, Challenge, InviteFailure
from users.rates import parse

pytestmark = pytest.mark.django_db


def age_all(**by) -> None:
    Challenge.objects.update(created_at=F("created_at") - timedelta(**by))


def send(phone=ALICE, address="203.0.113.5"):
    return services.request_code(phone=phone, client=Client(address=address))


def test_another_code_has_to_wait_for_the_cooldown(settings, sms_outbox):
    settings.OTP_RESEND_COOLDOWN = 60
    sent = send()
    assert sent.resend_in == 60
    with pytest.raises(errors.CodeRequestedTooSoon) as refused:
        send(address="203.0.113.99")
    assert refused.value.extra["retry_after"] == 60
    assert len(sms_outbox) == Challenge.objects.count() == 1

    age_all(seconds=45)
    with pytest.raises(errors.CodeRequestedTooSoon) as refused:
        send()
    assert refused.value.extra["retry_after"] == 15

    age_all(seconds=15)
    assert send()


def test_the_cooldown_is_each_phones_own(settings):
    settings.OTP_RESEND_COOLDOWN = 60
    send(ALICE)
    assert send(BOB)


def test_a_refused_send_leaves_the_earlier_code_alone(settings, browser):
    settings.OTP_RESEND_COOLDOWN = 60
    first = services.request_code(phone=ALICE, client=browser)
    with pytest.raises(errors.CodeRequestedTooSoon):
        services.request_code(phone=ALICE, challenge=first.challenge, client=browser)
    assert services.verify_code(code=first.otp, challenge=first.challenge, client=browser)


def test_a_phone_gets_so_many_codes_an_hour_and_a_day(settings):
    settings.OTP_SENDS_PER_PHONE = parse("2/h,3/d")
    send()
    age_all(minutes=20)
    send(address="203.0.113.6")
    with pytest.raises(errors.TooManyRequests) as refused:
        send(address="203.0.113.7")
    assert refused.value.extra["retry_after"] == 40 * 60
    age_all(minutes=40)
    send()
    age_all(hours=2)
    with pytest.raises(errors.TooManyRequests) as refused:
        send()
    assert refused.value.extra["retry_after"] == 21 * 3600
    assert Challenge.objects.count() == 3


def test_an_address_gets_so_many_codes_over_all_phones(settings):
    settings.OTP_SENDS_PER_IP = parse("3/h")
    for number in range(3):
        send(phone=f"+7913000000{number}")
    with pytest.raises(errors.TooManyRequests) as refused:
        send(phone="+79130000004")
    assert refused.value.extra["retry_after"] == 3600
    assert send(phone="+79130000004", address="203.0.113.99")


def test_everybody_together_gets_so_many_codes(settings):
    settings.OTP_SENDS_GLOBAL = parse("3/m")
    for number in range(3):
        send(phone=f"+7913000000{number}", address=f"203.0.113.{number}")
    with pytest.raises(errors.TooManyRequests) as refused:
        send(phone="+79130000004", address="203.0.113.4")
    assert refused.value.extra["retry_after"] == 60


def test_of_several_limits_the_longest_wait_is_told(settings):
    settings.OTP_RESEND_COOLDOWN = 60
    settings.OTP_SENDS_PER_PHONE = parse("1/h")
    send()
    with pytest.raises(errors.TooManyRequests) as refused:
        send()
    assert refused.value.extra["retry_after"] == 3600


# --- Guessing ---------------------------------------------------------------------------------------------------


def guess(sent, code=None, address="203.0.113.5"):
    return services.verify_code(code=code or wrong(sent.otp), challenge=sent.challenge, client=Client(address=address))


def fail(times: int, phone=ALICE, address="203.0.113.5"):
    """So many wrong guesses, over as many codes as that takes."""
    while times:
        sent = send(phone, address)
        for _ in range(min(times, 3)):
            with pytest.raises(errors.InvalidCode):
                guess(sent)
            times -= 1


def test_ten_failures_make_a_phones_codes_longer_and_sign_in_still_works():
    fail(9)
    assert len(send().otp) == 4
    fail(1)
    sent = send()
    assert len(sent.otp) == 6
    assert guess(sent, sent.otp)
    assert len(send(BOB).otp) == 4


def test_a_short_code_is_dead_after_the_step_up_and_costs_no_try():
    short = send()
    fail(10)
    with pytest.raises(errors.InvalidCode) as refused:
        guess(short, short.otp)
    assert refused.value.extra["attempts_left"] == 0
    assert Challenge.objects.get(id=short.challenge).attempts == 0


def test_the_step_up_lasts_thirty_days():
    fail(10)
    age_all(days=29, hours=23)
    assert len(send().otp) == 6
    age_all(hours=2)
    assert len(send().otp) == 4


def test_failures_spread_over_more_than_a_day_do_not_step_up():
    fail(5)
    age_all(hours=25)
    fail(5)
    assert len(send().otp) == 4


def test_right_codes_are_no_failures():
    for _ in range(11):
        sent = send()
        guess(sent, sent.otp)
    assert len(send().otp) == 4


def test_an_address_may_fail_so_often_whoever_it_guesses_at(settings):
    settings.OTP_FAILURES_PER_IP = parse("4/h")
    fail(2, ALICE)
    age_all(minutes=30)
    fail(2, BOB)
    sent = send("+79130000001")
    with pytest.raises(errors.TooManyAttempts) as refused:
        guess(sent, sent.otp)
    assert refused.value.extra["retry_after"] == 30 * 60
    assert Challenge.objects.get(id=sent.challenge).attempts == 0
    elsewhere = send("+79130000001", address="203.0.113.99")
    assert guess(elsewhere, elsewhere.otp, address="203.0.113.99")


def test_everybodys_failures_together_trip_a_breaker_that_raises_an_alarm(settings, caplog):
    settings.OTP_FAILURES_GLOBAL = parse("4/10m")
    fail(2, ALICE, "203.0.113.1")
    fail(2, BOB, "203.0.113.2")
    sent = send("+79130000001", "203.0.113.3")
    with pytest.raises(errors.TooManyAttempts) as refused:
        guess(sent, sent.otp)
    assert refused.value.extra["retry_after"] == 600
    [alarm] = [record for record in caplog.records if record.message == "limit_reached"]
    assert (alarm.levelname, alarm.facts) == ("ERROR", {"limit": "OTP_FAILURES_GLOBAL", "alarm": True})


def test_an_attacker_elsewhere_cannot_use_up_what_the_owner_may_send_from_home(settings):
    settings.OTP_SENDS_PER_PHONE = parse("2/h")
    home = send(address="198.51.100.7")
    guess(home, home.otp, address="198.51.100.7")
    for number in range(2):
        send(address=f"203.0.113.{number}")
    with pytest.raises(errors.TooManyRequests):
        send(address="203.0.113.9")

    assert guess(*[(sent := send(address="198.51.100.7")), sent.otp], address="198.51.100.7")
    with pytest.raises(errors.TooManyRequests):
        send(address="198.51.100.7")


# --- Invite codes -----------------------------------------------------------------------------------------------


def test_somebody_who_guesses_invite_codes_has_to_wait(settings, alice, bob):
    settings.INVITE_FAILURES_PER_USER = parse("3/h")
    unused = "222222" if alice.invite_code != "222222" else "333333"
    for _ in range(3):
        with pytest.raises(errors.InviteNotFound):
            services.activate_invite(user=bob, invite_code=unused)
    with pytest.raises(errors.TooManyAttempts) as refused:
        services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert refused.value.extra["retry_after"] == 3600
    assert InviteFailure.objects.count() == 3
    assert not Activation.objects.exists()

    InviteFailure.objects.update(created_at=F("created_at") - timedelta(hours=1))
    activated = services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert activated == services.ActivatedInvite(alice.invite_code, "+7 913 ***-**-00")


def test_what_cannot_be_a_code_and_what_is_right_are_no_failures(alice, bob):
    for code in ("nonsense", "", bob.invite_code, alice.invite_code, alice.invite_code):
        try:
            services.activate_invite(user=bob, invite_code=code)
        except (errors.InvalidInput, errors.OwnInvite):
            continue
    assert not InviteFailure.objects.exists()


def test_of_several_limits_on_failures_each_makes_codes_longer(settings):
    settings.OTP_FAILURES_PER_PHONE = parse("100/d,2/h")
    fail(2)
    assert len(send().otp) == 6
    settings.OTP_FAILURES_PER_PHONE = ()
    assert len(send().otp) == settings.OTP_DIGITS == 4
