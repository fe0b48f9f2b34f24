from datetime import timedelta

import pytest
from django.db.models import F

from conftest import ALICE, BOB
from users import errors, services
from users.clients import Client
from users.models import Challenge
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
