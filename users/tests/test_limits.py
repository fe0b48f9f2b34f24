import re
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db.models import F

from tests.support.people import ALICE, BOB, CHARLIE, wrong
from users import clients, codes, errors, limits, services, sms
from users.clients import Client
from users.limits import sending
from users.models import Activation, AddressFailure, Challenge, CodeFailure, InviteFailure
from users.rates import parse
from users.sms import gateways, routes

pytestmark = pytest.mark.django_db


HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"


def age_all(**by) -> None:
    """As if everything had happened so much earlier."""
    by = timedelta(**by)
    Challenge.objects.update(created_at=F("created_at") - by, used_at=F("used_at") - by)
    for model in (CodeFailure, InviteFailure, AddressFailure):
        model.objects.update(created_at=F("created_at") - by)


def send(phone=ALICE, address="203.0.113.5"):
    client = clients.identify({"REMOTE_ADDR": address}, host="zovi.example", trusted_proxies=0)
    return services.request_code(phone=phone, client=client)


def lives_at_home(phone=ALICE, address=HOME) -> None:
    sent = send(phone, address)
    guess(sent, sent.otp, address)


def test_another_code_has_to_wait_for_the_cooldown(settings, sms_outbox):
    settings.OTP_RESEND_COOLDOWN = 60
    sent = send()
    assert sent.resend_in == 60
    with pytest.raises(errors.CodeRequestedTooSoon) as refused:
        send(address="203.0.113.99")
    assert refused.value.extra["retry_after"] == pytest.approx(60, abs=20)
    assert len(sms_outbox) == Challenge.objects.count() == 1

    age_all(seconds=45)
    with pytest.raises(errors.CodeRequestedTooSoon) as refused:
        send()
    assert refused.value.extra["retry_after"] == pytest.approx(15, abs=10)

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
    assert refused.value.extra["retry_after"] == pytest.approx(40 * 60, abs=20)
    age_all(minutes=40)
    send()
    age_all(hours=2)
    with pytest.raises(errors.TooManyRequests) as refused:
        send()
    assert refused.value.extra["retry_after"] == pytest.approx(21 * 3600, abs=20)
    assert Challenge.objects.count() == 3


def test_an_address_gets_so_many_codes_over_all_phones(settings):
    settings.OTP_SENDS_PER_IP = parse("3/h")
    for number in range(3):
        send(phone=f"+7913000000{number}")
    with pytest.raises(errors.TooManyRequests) as refused:
        send(phone="+79130000004")
    assert refused.value.extra["retry_after"] == pytest.approx(3600, abs=20)
    assert send(phone="+79130000004", address="203.0.113.99")


def test_everybody_together_gets_so_many_codes(settings):
    settings.OTP_SENDS_GLOBAL = parse("3/m")
    for number in range(3):
        send(phone=f"+7913000000{number}", address=f"203.0.113.{number}")
    with pytest.raises(errors.TooManyRequests) as refused:
        send(phone="+79130000004", address="203.0.113.4")
    assert refused.value.extra["retry_after"] == pytest.approx(60, abs=20)


def test_of_several_limits_the_longest_wait_is_told(settings):
    settings.OTP_RESEND_COOLDOWN = 60
    settings.OTP_SENDS_PER_PHONE = parse("1/h")
    send()
    with pytest.raises(errors.TooManyRequests) as refused:
        send()
    assert refused.value.extra["retry_after"] == pytest.approx(3600, abs=20)


# --- Guessing ---------------------------------------------------------------------------------------------------


def guess(sent, code=None, address="203.0.113.5"):
    return services.verify_code(code=code or wrong(sent.otp), challenge=sent.challenge, client=Client(address=address))


def fail(times: int, phone=ALICE, address="203.0.113.5"):
    """So many wrong guesses, over as many codes as that takes."""
    while times:
        sent = send(phone, address)
        for _ in range(min(times, 3)):
            with pytest.raises(errors.InvalidCode):
                guess(sent, address=address)
            times -= 1


def remember(failures: int, phone=ALICE) -> None:
    """As if so many wrong codes had just been tried."""
    phone_key = codes.key_of_phone(phone, pepper=django_settings.OTP_PEPPER)
    CodeFailure.objects.bulk_create(CodeFailure(phone_key=phone_key, address=HOME) for _ in range(failures))


def test_ten_failures_make_a_phones_codes_longer_and_sign_in_still_works():
    fail(9)
    assert len(send().otp) == 4
    fail(1)
    sent = send()
    assert len(sent.otp) == 6
    assert guess(sent, sent.otp)
    assert len(send(BOB).otp) == 4


def test_a_short_code_is_dead_after_the_step_up_and_looks_like_a_wrong_one():
    short = send()
    remember(10)
    left = []
    for code in (short.otp, wrong(short.otp), short.otp, short.otp):
        with pytest.raises(errors.InvalidCode) as refused:
            guess(short, code)
        left.append(refused.value.extra["attempts_left"])
    assert left == [2, 1, 0, 0]
    kept = Challenge.objects.get(id=short.challenge)
    assert (kept.attempts, kept.dead_attempts, kept.used_at) == (0, 3, None)


def test_ten_failures_are_remembered_for_a_day():
    fail(10)
    age_all(hours=23)
    assert len(send().otp) == 6
    age_all(hours=2)
    assert len(send().otp) == 4


def test_twenty_failures_at_whatever_pace_are_remembered_for_a_year():
    for _ in range(10):
        fail(2)
        age_all(days=20)
    assert len(send().otp) == 6
    age_all(days=164)  # the first pair was 200 days ago
    assert len(send().otp) == 6
    age_all(days=2)
    assert len(send().otp) == 4


def test_a_hundred_failures_in_a_month_make_codes_of_eight_digits():
    fail(99)
    assert len(send().otp) == 6
    fail(1)
    sent = send()
    assert len(sent.otp) == 8
    assert guess(sent, sent.otp)
    age_all(days=31)
    assert len(send().otp) == 6


def test_five_hundred_failures_in_a_year_make_codes_of_eight_digits():
    remember(500)
    age_all(days=364)
    assert len(send().otp) == 8
    assert len(send(BOB).otp) == 4
    age_all(days=2)
    assert len(send().otp) == 4


def test_a_six_digit_code_is_dead_after_the_step_to_eight():
    fail(20)
    six = send()
    remember(80)
    with pytest.raises(errors.InvalidCode):
        guess(six, six.otp)
    assert Challenge.objects.get(id=six.challenge).attempts == 0


def test_the_owners_own_mistakes_count_too(alice):
    lives_at_home()
    fail(10, address=HOME)
    assert len(send(address=HOME).otp) == 6


def test_longer_settings_are_never_shortened(settings):
    settings.OTP_DIGITS = 8
    fail(20)
    assert len(send().otp) == 8


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
    assert refused.value.extra["retry_after"] == pytest.approx(30 * 60, abs=20)
    assert Challenge.objects.get(id=sent.challenge).attempts == 0
    elsewhere = send("+79130000001", address="203.0.113.99")
    assert guess(elsewhere, elsewhere.otp, address="203.0.113.99")


def test_it_is_the_address_of_whoever_guesses_that_counts(settings):
    settings.OTP_FAILURES_PER_IP = parse("1/h")
    sent = send(address="203.0.113.1")
    with pytest.raises(errors.InvalidCode):
        guess(sent, address="203.0.113.2")
    with pytest.raises(errors.TooManyAttempts):
        guess(sent, sent.otp, address="203.0.113.2")
    assert guess(sent, sent.otp, address="203.0.113.1")


def test_everybodys_failures_together_lengthen_strangers_codes_and_raise_an_alarm(settings, caplog):
    settings.OTP_FAILURES_GLOBAL = parse("4/10m")
    lives_at_home()
    fail(2, BOB, "203.0.113.1")
    fail(2, CHARLIE, "203.0.113.2")
    assert not [record for record in caplog.records if record.message == "limit_reached"]

    assert len(send(CHARLIE, "203.0.113.3").otp) == 6  # nobody is refused
    [alarm] = [record for record in caplog.records if record.message == "limit_reached"]
    assert (alarm.levelname, alarm.facts) == ("ERROR", {"limit": "OTP_FAILURES_GLOBAL", "alarm": True})
    assert len(send(ALICE, ELSEWHERE).otp) == 6
    assert len(send(ALICE, HOME).otp) == 4
    age_all(minutes=10)
    assert len(send(CHARLIE, "203.0.113.3").otp) == 4


def test_a_strangers_short_code_is_dead_while_everybodys_are_longer_and_one_from_home_is_not(settings):
    settings.OTP_FAILURES_GLOBAL = parse("4/10m")
    lives_at_home()
    strangers, own = send(ALICE, ELSEWHERE), send(ALICE, HOME)
    fail(4, BOB, "203.0.113.1")
    with pytest.raises(errors.InvalidCode):
        guess(strangers, strangers.otp, ELSEWHERE)
    assert Challenge.objects.get(id=strangers.challenge).attempts == 0
    assert guess(own, own.otp, HOME)


# --- At home ----------------------------------------------------------------------------------------------------


def test_an_attacker_elsewhere_cannot_use_up_what_the_owner_may_send_from_home(settings):
    settings.OTP_SENDS_PER_PHONE = parse("2/h")
    lives_at_home()
    for number in range(2):
        send(address=f"203.0.113.{number}")
    with pytest.raises(errors.TooManyRequests):
        send(address="203.0.113.9")

    lives_at_home()
    with pytest.raises(errors.TooManyRequests):
        send(address=HOME)


def test_strangers_cannot_use_up_what_everybody_may_send_from_home(settings):
    settings.OTP_SENDS_GLOBAL = parse("3/m")
    lives_at_home()
    age_all(minutes=1)
    for number in range(3):
        send(f"+7913000000{number}", f"203.0.113.{number}")
    with pytest.raises(errors.TooManyRequests):
        send(BOB, "203.0.113.7")
    with pytest.raises(errors.TooManyRequests):
        send(ALICE, "203.0.113.8")
    for _ in range(3):
        lives_at_home()
    with pytest.raises(errors.TooManyRequests):
        send(ALICE, HOME)


def test_home_is_where_the_code_was_named_and_for_thirty_days(settings):
    settings.OTP_SENDS_GLOBAL = parse("1/d")
    sent = send(address=ELSEWHERE)
    guess(sent, sent.otp, HOME)
    with pytest.raises(errors.TooManyRequests):
        send(address=ELSEWHERE)
    assert send(address=HOME)
    age_all(days=29)
    assert send(address=HOME)
    send(BOB, ELSEWHERE)
    age_all(minutes=1)
    Challenge.objects.update(used_at=F("used_at") - timedelta(days=2))
    with pytest.raises(errors.TooManyRequests):
        send(address=HOME)


def test_home_is_one_phones_and_not_its_neighbours(settings):
    settings.OTP_FAILURES_GLOBAL = parse("1/d")
    lives_at_home()
    fail(1, CHARLIE, ELSEWHERE)
    assert len(send(BOB, HOME).otp) == 6
    assert len(send(ALICE, HOME).otp) == 4


def code_in(message: tuple[str, str]) -> str:
    return re.search("[0-9]{4,8}", message[1])[0]


def told(phone: str) -> list:
    """All a stranger in Alice's own network sees of a number, outside a demo."""
    client, seen = Client(address=HOME), []
    for _ in range(5):
        try:
            sent = services.request_code(phone=phone, client=client)
        except errors.DomainError as error:
            seen.append((error.code, {name: about(seconds) for name, seconds in error.extra.items()}))
            continue
        seen.append((sent.otp, sent.expires_in, sent.resend_in))
        for _ in range(3):
            with pytest.raises(errors.InvalidCode) as refused:
                services.verify_code(code="0" * 5, challenge=sent.challenge, client=client)
            seen.append(refused.value.extra)
            awaited = services.awaited_code(challenge=sent.challenge, client=client)
            seen.append((awaited.digits, about(awaited.resend_in), awaited.attempts_left, awaited.message))
    return seen


def about(seconds: int) -> int:
    """The same a moment later."""
    return round(seconds, -2)


@pytest.mark.parametrize("attacked", [False, True], ids=["in peace", "while everybody is attacked"])
def test_who_shares_an_address_sees_the_same_of_homes_and_of_unknown_numbers(settings, real_outbox, attacked):
    settings.OTP_SENDS_PER_PHONE, settings.OTP_FAILURES_GLOBAL = parse("4/h"), parse("4/10m") if attacked else ()
    sent = send(ALICE, HOME)
    guess(sent, code_in(real_outbox[-1]), HOME)
    for _ in range(2):
        sent = send(CHARLIE, ELSEWHERE)
        for _ in range(2):
            with pytest.raises(errors.InvalidCode):
                guess(sent, "00000", ELSEWHERE)
    age_of_first = Challenge.objects.filter(phone=ALICE)
    age_of_first.update(created_at=F("created_at") - timedelta(hours=2))

    known = told(ALICE)
    assert known == told(BOB)
    awaited = next(seen for seen in known if len(seen) == 4)
    assert awaited[0] == (None if attacked else 4)
    lengths = {len(code_in(message)) for message in real_outbox if message[0] == BOB}
    assert lengths == {6 if attacked else 4}


# --- A message that was not sent --------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The phones for which a gateway was asked that refuses everything."""
    asked: list[str] = []

    def refuse(route: routes.Route, message: sms.Message, deadline: float) -> gateways.Answer:
        asked.append(message.phone)
        return gateways.Answer(gateways.Outcome.REFUSED, "status", 500)

    monkeypatch.setattr(routes.Route, "ask", refuse)
    return asked


def refused_send(phone=ALICE, address="203.0.113.5") -> str:
    with pytest.raises(errors.DomainError) as refused:
        send(phone, address)
    return refused.value.code


def test_a_gateway_that_refuses_is_asked_for_one_phone_once_in_two_seconds(settings, asked):
    settings.OTP_RESEND_COOLDOWN, settings.OTP_SENDS_PER_PHONE = 60, parse("5/h,10/d")
    seen = []
    for number in range(12):
        seen += [refused_send(address=f"203.0.113.{number}"), refused_send(address=f"203.0.113.{number}")]
        age_all(seconds=2)
    assert seen == ["sms_not_sent", "code_requested_too_soon"] * 12  # the phone's own budget stays whole
    assert len(asked) == 12


def test_attempts_at_a_gateway_that_refuses_count_for_address_and_everybody(settings, asked):
    settings.OTP_SENDS_PER_IP, settings.OTP_SENDS_GLOBAL = parse("2/h"), parse("3/h")
    phones = [f"+7913000000{number}" for number in range(6)]
    first = [refused_send(phone) for phone in phones[:3]]
    assert first == ["sms_not_sent", "sms_not_sent", "too_many_requests"]
    second = [refused_send(phone, ELSEWHERE) for phone in phones[3:5]]
    assert second == ["sms_not_sent", "too_many_requests"]
    assert len(asked) == 3


def test_a_message_counts_from_before_the_gateway_is_called(settings, monkeypatch):
    settings.OTP_RESEND_COOLDOWN = 60
    seen = []

    def slow(route: routes.Route, message: sms.Message, deadline: float) -> gateways.Answer:
        seen.append(Challenge.objects.values_list("is_sent", "slot").get())
        seen.append(refused_send())
        return gateways.Answer(gateways.Outcome.UNKNOWN, "silence")

    monkeypatch.setattr(routes.Route, "ask", slow)
    sent = send()
    assert seen == [(True, None), "code_requested_too_soon"]
    assert guess(sent, sent.otp)  # the message may have arrived


# --- Networks and other doors -----------------------------------------------------------------------------------


def test_a_network_of_ipv6_gets_so_many_codes_over_all_its_addresses(settings):
    settings.OTP_SENDS_PER_NETWORK = parse("3/h")
    for number in range(3):
        send(f"+7913000000{number}", f"2001:db8:1:{number}::")
    with pytest.raises(errors.TooManyRequests) as refused:
        send("+79130000004", "2001:db8:1:ff::")
    assert refused.value.extra["retry_after"] == pytest.approx(3600, abs=20)
    assert send("+79130000004", "2001:db8:2::")
    assert [send(f"+7914000000{number}", "203.0.113.7") for number in range(5)]
    assert set(Challenge.objects.values_list("network", flat=True)) == {"2001:db8:1::", "2001:db8:2::", "203.0.113.0"}


@pytest.mark.parametrize(
    ("address", "waits_for"),
    [("203.0.113.7", []), ("2001:db8:1:2::", ["network 2001:db8:1::"])],
)
def test_only_networks_of_ipv6_take_turns(settings, address, waits_for):
    settings.OTP_SENDS_PER_NETWORK = parse("3/h")
    asked = Challenge(address=address, network=Client(address).network, phone_key="key")
    assert [key for key in sending._keys_of(asked) if key.startswith("network")] == waits_for


def look_up(address: str, *, found: bool) -> None:
    with limits.admitted_visitor(address=address):
        if not found:
            limits.record_visitor_failure(address=address)


def test_visitors_may_be_wrong_about_invite_codes_so_often(settings):
    settings.INVITE_FAILURES_PER_IP = parse("2/h")
    for found in (False, True, True, False):
        look_up(HOME, found=found)
    with pytest.raises(errors.TooManyAttempts) as refused:
        look_up(HOME, found=True)
    assert refused.value.extra["retry_after"] == pytest.approx(3600, abs=20)
    look_up(ELSEWHERE, found=True)
    limits.count_admin_attempt(address=HOME)
    age_all(hours=1)
    look_up(HOME, found=True)


def test_attempts_at_administration_count_until_they_are_forgiven(settings):
    settings.ADMIN_FAILURES_PER_IP = parse("2/h")
    for _ in range(5):
        limits.forgive(limits.count_admin_attempt(address=HOME))
    for _ in range(2):
        limits.count_admin_attempt(address=HOME)
    with pytest.raises(errors.TooManyAttempts) as refused:
        limits.count_admin_attempt(address=HOME)
    assert refused.value.extra["retry_after"] == pytest.approx(3600, abs=20)
    assert AddressFailure.objects.count() == 2
    limits.count_admin_attempt(address=ELSEWHERE)


# --- Invite codes -----------------------------------------------------------------------------------------------


def test_somebody_who_guesses_invite_codes_has_to_wait(settings, alice, bob):
    settings.INVITE_FAILURES_PER_USER = parse("3/h")
    unused = "222222" if alice.invite_code != "222222" else "333333"
    for _ in range(3):
        with pytest.raises(errors.InviteNotFound):
            services.activate_invite(user=bob, invite_code=unused)
    with pytest.raises(errors.TooManyAttempts) as refused:
        services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert refused.value.extra["retry_after"] == pytest.approx(3600, abs=20)
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
