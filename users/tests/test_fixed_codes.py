"""Test numbers: a fixed code until a day, nothing sent, guessing that ends; and tests keep to themselves."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test import Client as Browser

from project import startup
from project.management.commands import serve
from tests.support.people import ALICE, BOB, CHARLIE, at_once, wrong
from users import errors, events, services, tokens
from users.models import Activation, Challenge, CodeFailure, InvitedNumber, InviteFailure, Session, User
from users.rates import parse
from users.services import bill, checking, gauges

pytestmark = pytest.mark.django_db
ONE, TWO, CODE, OTHER_CODE = "+79990000001", "+79990000002", "4907", "381650"
NEW = "+79161112233"
TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def fixed(settings, real_outbox) -> None:
    settings.TEST_NUMBERS = {ONE: CODE, TWO: OTHER_CODE}
    settings.TEST_NUMBERS_UNTIL = TODAY + timedelta(days=2)
    settings.OTP_FAILURES_PER_TEST_NUMBER = parse("10/d")


def sign_in(phone, code, browser) -> User:
    challenge = services.request_code(phone=phone, client=browser).challenge
    signed_in = services.verify_code(code=code, challenge=challenge, client=browser)
    signed_in.user.session = signed_in.session
    return signed_in.user


def enter(phone, browser, outbox) -> User:
    """By what was really sent."""
    challenge = services.request_code(phone=phone, client=browser).challenge
    code = next(word for word in outbox[-1][1].replace(".", " ").split() if word.isdigit())
    user = services.verify_code(code=code, challenge=challenge, client=browser).user
    user.session = user.sessions.first()
    return user


def guess(phone, browser, times=1) -> None:
    for _ in range(times):
        sent = services.request_code(phone=phone, client=browser)
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code=wrong(CODE), challenge=sent.challenge, client=browser)


def test_nothing_is_sent_and_the_fixed_code_opens(browser, sms_outbox, caplog):
    caplog.set_level("INFO")
    sent = services.request_code(phone="8 999 000-00-01", client=browser)
    assert (sent.otp, sent.channel, sent.resend_in, sms_outbox) == (None, "sms", 0, [])
    row = Challenge.objects.values().get()
    assert (row["is_test"], row["digits"], row["told_digits"]) == (True, 4, 4)
    assert CODE not in "".join(str(value) for value in row.values()).replace(str(row["id"]), "")
    signed_in = services.verify_code(code=CODE, challenge=sent.challenge, client=browser)
    assert (signed_in.user.phone, signed_in.user.is_test, signed_in.is_new_user) == (ONE, True, True)
    assert not sign_in(ONE, CODE, browser).is_superuser
    assert sms_outbox == []
    assert User.objects.count() == 1
    assert ONE not in caplog.text
    assert CODE not in caplog.text


def test_a_code_is_good_once_and_for_its_own_number(browser):
    sent = services.request_code(phone=ONE, client=browser)
    for code, right in ((OTHER_CODE, False), (CODE, True), (CODE, False)):
        if right:
            services.verify_code(code=code, challenge=sent.challenge, client=browser)
            continue
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code=code, challenge=sent.challenge, client=browser)
    assert Session.objects.count() == 1


def test_asking_again_ends_the_code_asked_for_before(browser, caplog):
    caplog.set_level("INFO")
    first = services.request_code(phone=ONE, client=browser)
    services.request_code(phone=ONE, client=browser, challenge=first.challenge)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=CODE, challenge=first.challenge, client=browser)
    asked = [record.facts["address"] for record in caplog.records if record.message == "fixed_code_asked"]
    assert asked == [browser.address] * 2


def test_a_demo_shows_the_fixed_code_too(browser, settings):
    settings.DEMO = True
    assert services.request_code(phone=ONE, client=browser).otp == CODE


def test_no_limit_on_sending_counts_and_no_table_fills(browser, settings, sms_outbox):
    settings.OTP_RESEND_COOLDOWN = 60
    for name in ("OTP_SENDS_PER_PHONE", "OTP_SENDS_PER_IP", "OTP_SENDS_GLOBAL"):
        setattr(settings, name, parse("1/h"))
    for _ in range(20):
        sent = services.request_code(phone=ONE, client=browser)
        assert services.awaited_code(challenge=sent.challenge, client=browser).resend_in == 0
    assert Challenge.objects.count() <= 4
    services.request_code(phone=ALICE, client=browser)
    assert [phone for phone, _ in sms_outbox] == [ALICE]
    with pytest.raises(errors.TooManyRequests):
        services.request_code(phone=ALICE, client=browser)
    services.request_code(phone=ONE, client=browser)


def test_after_ten_failures_the_number_is_shut_for_a_day(browser, settings, sms_outbox):
    settings.OTP_SENDS_PER_PHONE = parse("1/h")
    guess(ONE, browser, 9)
    opened = services.request_code(phone=ONE, client=browser)
    guess(ONE, browser)
    for call in (
        lambda: services.request_code(phone=ONE, client=browser),
        lambda: services.verify_code(code=CODE, challenge=opened.challenge, client=browser),
    ):
        with pytest.raises(errors.TooManyAttempts) as refused:
            call()
        assert 23 * 3600 <= refused.value.extra["retry_after"] <= 24 * 3600
    assert (CodeFailure.objects.count(), User.objects.count(), sms_outbox) == (10, 0, [])
    assert sign_in(TWO, OTHER_CODE, browser).phone == TWO, "the others are open"
    CodeFailure.objects.update(created_at=F("created_at") - timedelta(days=1))
    assert sign_in(ONE, CODE, browser).phone == ONE


def test_days_of_guessing_at_a_test_number_compare_ten_a_day(browser):
    """Three challenges side by side, three tries each, every hour of three days."""
    compared = 0
    for _hour in range(72):
        for _ in range(3):
            try:
                sent = services.request_code(phone=ONE, client=browser)
                for _ in range(3):
                    services.verify_code(code=wrong(CODE), challenge=sent.challenge, client=browser)
            except errors.InvalidCode:
                compared += 1
            except errors.TooManyAttempts:
                break
        CodeFailure.objects.update(created_at=F("created_at") - timedelta(hours=1))
    assert compared == CodeFailure.objects.count() <= 30


def test_whoever_knows_a_code_cannot_fill_tables_with_it(browser, settings):
    """By signing in without end, nor by leaving and coming again, which would leave an account each time."""
    settings.OTP_USES_PER_TEST_NUMBER = parse("4/d")
    for _ in range(2):
        tester = sign_in(ONE, CODE, browser)
        sent = services.request_code(phone=ONE, client=browser)
        services.delete_account(user=tester, code=CODE, challenge=sent.challenge)
    with pytest.raises(errors.TooManyAttempts):
        services.request_code(phone=ONE, client=browser)
    assert (User.objects.count(), Session.objects.count(), Challenge.objects.count()) == (2, 0, 4)
    assert sign_in(TWO, OTHER_CODE, browser).phone == TWO, "the others are open"
    Challenge.objects.update(created_at=F("created_at") - timedelta(days=1))
    assert sign_in(ONE, CODE, browser).phone == ONE
    assert Challenge.objects.filter(phone=ONE).count() == 1, "what counts no more is gone"


@pytest.mark.django_db(transaction=True)
def test_of_many_uses_at_once_no_more_succeed_than_a_day_has(browser, settings):
    settings.OTP_USES_PER_TEST_NUMBER = parse("2/d")
    sent = [services.request_code(phone=ONE, client=browser) for _ in range(3)]
    results = at_once(
        12, lambda number: services.verify_code(code=CODE, challenge=sent[number % 3].challenge, client=browser)
    )
    names = [type(result).__name__ for result in results]
    assert (names.count("SignIn"), names.count("SignIn") + names.count("InvalidCode")) == (
        2,
        12 - names.count("TooManyAttempts"),
    )
    assert Session.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_who_asks_at_the_same_time_takes_nothing_from_another(browser, _round):
    sent = at_once(3, lambda _number: services.request_code(phone=ONE, client=browser))
    for one in sent:
        assert services.verify_code(code=CODE, challenge=one.challenge, client=browser).user.phone == ONE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_of_many_guesses_at_once_ten_are_compared(browser, settings, _round):
    settings.OTP_TRIES = 100
    sent = [services.request_code(phone=ONE, client=browser) for _ in range(3)]
    results = at_once(
        30,
        lambda number: services.verify_code(code=wrong(CODE), challenge=sent[number % 3].challenge, client=browser),
    )
    names = [type(result).__name__ for result in results]
    assert (names.count("InvalidCode"), names.count("TooManyAttempts")) == (10, 20)
    assert CodeFailure.objects.count() == 10


def test_where_tests_signed_in_is_nobodys_home(browser):
    """When the number is somebody's, an address that knew its fixed code has no budget of its own."""
    sign_in(ONE, CODE, browser)
    assert not Challenge.objects.exclude(used_from=None).exists()


def test_a_number_under_attack_keeps_its_short_code(browser, settings, sms_outbox):
    settings.OTP_FAILURES_PER_PHONE, settings.OTP_FAILURES_GLOBAL = parse("1/d"), parse("1/d")
    guess(ONE, browser)
    assert sign_in(ONE, CODE, browser).phone == ONE
    guess(ALICE, browser)
    services.request_code(phone=ALICE, client=browser)
    assert len(next(word for word in sms_outbox[-1][1].replace(".", " ").split() if word.isdigit())) == 6


def test_from_the_moment_they_are_over_it_is_an_ordinary_number(browser, settings, sms_outbox):
    tester = sign_in(ONE, CODE, browser)
    services.activate_invite(user=tester, invite_code=sign_in(TWO, OTHER_CODE, browser).invite_code)
    open_still = services.request_code(phone=ONE, client=browser)
    settings.TEST_NUMBERS_UNTIL = TODAY - timedelta(days=1)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=CODE, challenge=open_still.challenge, client=browser)
    assert sms_outbox == []
    owner = enter(ONE, browser, sms_outbox)
    assert [phone for phone, _ in sms_outbox] == [ONE]
    assert (owner.is_test, owner.id == tester.id) == (False, False)
    tester.refresh_from_db()
    assert (tester.phone, tester.is_active, tester.set_aside_at is None) == (None, False, False)
    assert not tokens.live_sessions().filter(user=tester).exists()
    assert not InvitedNumber.objects.exists(), "what a test entered was nobody's"
    assert services.may_activate(user=owner)


def test_a_code_does_not_live_beyond_the_last_day(browser, settings):
    settings.OTP_TTL = 3 * 24 * 3600
    services.request_code(phone=ONE, client=browser)
    midnight = datetime.combine(settings.TEST_NUMBERS_UNTIL + timedelta(days=1), datetime.min.time(), UTC)
    assert Challenge.objects.get().expires_at == midnight


@pytest.mark.parametrize("staff", [False, True])
def test_a_real_persons_number_is_an_ordinary_one(browser, sms_outbox, caplog, staff):
    person, _ = User.objects.get_or_register(ONE)
    User.objects.update(is_staff=staff)
    sent = services.request_code(phone=ONE, client=browser)
    assert [phone for phone, _ in sms_outbox] == [ONE]
    assert "test_number_is_somebodys" in caplog.messages
    if CODE not in sms_outbox[0][1]:  # drawn by chance
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code=CODE, challenge=sent.challenge, client=browser)
    assert not Session.objects.exists()
    assert enter(ONE, browser, sms_outbox) == person


def test_somebody_who_became_real_meanwhile_is_not_entered(browser):
    sent = services.request_code(phone=ONE, client=browser)
    User.objects.get_or_register(ONE)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=CODE, challenge=sent.challenge, client=browser)
    assert not Session.objects.exists()
    assert User.objects.get().is_test is False


def test_tests_and_real_people_do_not_enter_each_others_codes(browser, alice, bob):
    one, two = sign_in(ONE, CODE, browser), sign_in(TWO, OTHER_CODE, browser)
    for who, whose in ((one, alice), (alice, one)):
        with pytest.raises(errors.InviteNotFound):
            services.activate_invite(user=who, invite_code=whose.invite_code)
        with pytest.raises(errors.InviteNotFound):
            services.invitation(invite_code=whose.invite_code, viewer=who, client=browser)
        for columns in ({"invitee": who, "inviter": whose}, {"invitee": whose, "inviter": who}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Activation.objects.create(**columns)
    assert InviteFailure.objects.count() == 4, "they count as any wrong code"
    services.activate_invite(user=one, invite_code=two.invite_code)
    services.activate_invite(user=alice, invite_code=bob.invite_code)
    assert Activation.objects.count() == 2
    assert all(checked.wrong == 0 for checked in checking.check_data())


def test_nobody_becomes_a_test_or_ceases_to_be_one(browser, alice):
    tester = sign_in(ONE, CODE, browser)
    for user in (alice, tester):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(id=user.id).update(is_test=not user.is_test)
    for right in ("is_staff", "is_superuser"):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(id=tester.id).update(**{right: True})
    with pytest.raises(ValidationError):
        User.objects.create_superuser(ONE, "correct horse battery")


def test_a_fixed_code_moves_nobody_but_a_test(browser, alice, sms_outbox):
    alice.session = tokens.open_session(alice, browser)
    tester = sign_in(ONE, CODE, browser)
    sent = services.request_code(phone=TWO, client=browser)
    with pytest.raises(errors.Forbidden):
        services.change_phone(user=alice, code=OTHER_CODE, challenge=sent.challenge, client=browser)
    sent = services.request_code(phone=NEW, client=browser)
    code = next(word for word in sms_outbox[-1][1].replace(".", " ").split() if word.isdigit())
    with pytest.raises(errors.Forbidden):
        services.change_phone(user=tester, code=code, challenge=sent.challenge, client=browser)
    for user, phone in ((tester, NEW), (alice, TWO)):
        with pytest.raises(errors.Forbidden):
            services.set_phone(user=user, phone=phone)
    sent = services.request_code(phone=TWO, client=browser)
    services.change_phone(user=tester, code=OTHER_CODE, challenge=sent.challenge, client=browser)
    assert set(User.objects.values_list("phone", flat=True)) == {ALICE, TWO}
    assert [phone for phone, _ in sms_outbox] == [NEW], "no test number is told"


def test_a_real_person_may_take_over_what_was_a_test_number(browser, alice, settings, sms_outbox):
    alice.session = tokens.open_session(alice, browser)
    tester = sign_in(ONE, CODE, browser)
    settings.TEST_NUMBERS_UNTIL = TODAY - timedelta(days=1)
    sent = services.request_code(phone=ONE, client=browser)
    code = next(word for word in sms_outbox[-1][1].replace(".", " ").split() if word.isdigit())
    services.change_phone(user=alice, code=code, challenge=sent.challenge, client=browser)
    tester.refresh_from_db()
    assert (User.objects.get(id=alice.id).phone, tester.phone) == (ONE, None)


def test_a_test_that_left_may_come_again_and_enter_a_code_again(browser):
    two = sign_in(TWO, OTHER_CODE, browser)
    for _ in range(2):
        tester = sign_in(ONE, CODE, browser)
        services.activate_invite(user=tester, invite_code=two.invite_code)
        sent = services.request_code(phone=ONE, client=browser)
        services.delete_account(user=tester, code=CODE, challenge=sent.challenge)
    assert Activation.objects.count() == 2


def test_a_number_that_nobody_can_have_is_good_for_tests_alone(browser, settings):
    settings.TEST_NUMBERS = {"+15555550100": CODE}
    settings.PHONE_ALLOWED_REGIONS = ["RU"]
    assert sign_in("+1 555 555 0100", CODE, browser).phone == "+15555550100"
    settings.TEST_NUMBERS_UNTIL = TODAY - timedelta(days=1)
    with pytest.raises(errors.InvalidPhone):
        services.request_code(phone="+1 555 555 0100", client=browser)


def test_events_say_what_is_a_test(browser, settings, alice):
    settings.SERVICE_KEYS, settings.EVENTS_ARE_RECORDED = {"crm": "k" * 40}, True
    tester = sign_in(ONE, CODE, browser)
    tokens.open_session(alice, browser)
    told, _ = events.after(0, limit=10)
    created, signed_in = [event.data for event in told]
    assert created == {"user_id": str(tester.id), "invite_code": tester.invite_code, "test": True}
    assert signed_in == {
        "user_id": str(tester.id),
        "session_id": str(tester.session.id),
        "is_new_user": True,
        "test": True,
    }


def test_what_costs_nothing_is_on_no_bill_and_in_no_graph(browser, settings, sms_outbox):
    for _ in range(15):  # unused, as the guard wants it
        services.request_code(phone=ONE, client=browser)
    Challenge.objects.update(expires_at=F("created_at"))
    assert list(gauges.codes_today()) == []
    assert bill.bill() == []
    assert services.daily_counts(days=1)[0].codes == 0
    sign_in(ONE, CODE, browser)
    assert services.daily_counts(days=1)[0].sessions == 1, "a sign-in is one"


def test_unused_codes_of_tests_do_not_wake_the_guard(browser, settings, sms_outbox):
    settings.SMS_GUARD = "deny"
    settings.TEST_NUMBERS = {f"+7999000{number:04}": CODE for number in range(10)}
    for phone in settings.TEST_NUMBERS:
        for _ in range(3):
            services.request_code(phone=phone, client=browser)
    past = timedelta(minutes=10)  # long over
    Challenge.objects.update(created_at=F("created_at") - past, expires_at=F("expires_at") - past)
    services.request_code(phone=ALICE, client=browser)
    assert [phone for phone, _ in sms_outbox] == [ALICE]


def test_tests_are_neither_taken_away_nor_brought_along(browser, alice, tmp_path, capsys):
    one, two = sign_in(ONE, CODE, browser), sign_in(TWO, OTHER_CODE, browser)
    services.activate_invite(user=one, invite_code=two.invite_code)
    for command, lines in (("export_users", 2), ("export_referrals", 1)):
        call_command(command, str(tmp_path / "out.csv"))
        assert (tmp_path / "out.csv").read_text().count("\n") == lines
        (tmp_path / "out.csv").unlink()
    file = tmp_path / "in.csv"
    file.write_text(f"phone,inviter_code\n{ONE},\n{BOB},{two.invite_code}\n{CHARLIE},{alice.invite_code}\n")
    call_command("import_users", str(file), skip_refused=True)
    told = capsys.readouterr().out
    assert "line 2: this number is here as a test" in told
    assert "line 3: nobody has the inviter's code" in told
    assert set(User.objects.filter(is_test=False).values_list("phone", flat=True)) == {ALICE, CHARLIE}


def test_the_admins_first_page_shows_them_masked(browser, settings):
    sign_in(ONE, CODE, browser)
    User.objects.get_or_register(TWO)
    administrator = User.objects.create_superuser(ALICE, "correct horse battery")
    admin = Browser()
    admin.force_login(administrator)
    page = admin.get("/admin/").content.decode()
    until = f"{settings.TEST_NUMBERS_UNTIL:%-d %b %Y}"
    assert f"+7 999 ***-**-01</th><td>fixed until {until} (UTC)</td>" in page
    assert "+7 999 ***-**-02</th><td>by SMS: a real person has this number</td>" in page
    tester = User.objects.get(is_test=True)
    form = admin.get(f"/admin/users/user/{tester.id}/change/").content.decode()
    assert 'name="is_staff"' not in form
    settings.TEST_NUMBERS_UNTIL = TODAY - timedelta(days=1)
    assert "has passed</td>" in admin.get("/admin/").content.decode()
    for secret in (CODE, OTHER_CODE, ONE, TWO):
        assert secret not in page


@pytest.mark.django_db(transaction=True)
def test_the_start_tells_of_them_in_a_line(settings):
    User.objects.get_or_register(TWO)
    until = settings.TEST_NUMBERS_UNTIL
    said = StringIO()
    serve.Command(stdout=said).announce()
    assert [line for line in said.getvalue().splitlines() if "999" in line] == [
        f"  tests    +7 999 ***-**-01 with fixed codes until {until}; "
        "+7 999 ***-**-02 as ordinary numbers, because real people have them"
    ]
    settings.TEST_NUMBERS_UNTIL = TODAY - timedelta(days=1)
    assert startup.about_test_numbers() == (
        f"switched off, for {settings.TEST_NUMBERS_UNTIL} has passed: TEST_NUMBERS are ordinary numbers"
    )
    settings.TEST_NUMBERS = {}
    assert startup.about_test_numbers() == ""
    connection.close()
