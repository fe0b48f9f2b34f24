"""One list of scenarios, and every door must tell each of them alike: the same codes, answers and database."""

import logging
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import OperationalError
from django.db.models import F
from django.test import Client
from django.utils import timezone

from tests.contract.graphql_door import GraphQLDoor
from tests.support.people import ALICE, BOB, CHARLIE, wrong
from users import services
from users.errors import InvalidPhone, ServiceUnavailable
from users.models import Activation, Challenge, CodeFailure, InviteFailure, Message, Session, User
from users.rates import parse as rates
from users.sms import gateways

pytestmark = pytest.mark.django_db


def sign_in(caller, phone):
    return caller.verify_code(caller.request_code(phone)["otp"])


def invite(inviter: User, *phones: str) -> None:
    for phone in phones:
        Activation.objects.create(inviter=inviter, invitee=User.objects.get_or_register(phone)[0])


# --- Asking for a code -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["8 913 674-00-00", "+7(913)6740000", "0079136740000"])
def test_a_number_in_any_form_gets_a_code(caller, sms_outbox, written):
    answer = caller.request_code(written)
    assert answer.refusal == (None, 200)
    assert (answer["phone"], answer["expires_in"], answer["resend_in"]) == (ALICE, 180, 0)
    assert [phone for phone, _ in sms_outbox] == [ALICE]
    assert answer["challenge"] == str(Challenge.objects.get().id)


@pytest.mark.parametrize("sign", ["\x00", "\x01", "\x1f", "\x7f"])
@pytest.mark.parametrize("written", ["{sign}+79136740000", "+7913{sign}6740000", "+79136740000{sign}"])
def test_no_door_drops_a_control_character(caller, monkeypatch, written, sign):
    """The rule is for it to refuse, so it must get it to see."""
    seen = []

    def look(*, phone, **_):
        seen.append(phone)
        raise InvalidPhone()

    monkeypatch.setattr(services, "request_code", look)
    given = written.format(sign=sign)
    assert caller.request_code(given).refusal == ("invalid_phone", 400)
    assert seen == [given]


@pytest.mark.parametrize("written", ["1", "+7 913", "8-800-FLOWERS", "\x00", "٠١٢٣"])
def test_what_is_not_a_phone_number_is_invalid_phone(caller, sms_outbox, written):
    assert caller.request_code(written).refusal == ("invalid_phone", 400)
    assert sms_outbox == []
    assert not Challenge.objects.exists()


def test_a_number_of_another_country_is_region_not_allowed(caller, sms_outbox, settings):
    settings.PHONE_ALLOWED_REGIONS = ["RU"]
    assert caller.request_code("+44 20 7946 0958").refusal == ("region_not_allowed", 400)
    assert sms_outbox == []


@pytest.mark.parametrize("written", ["8 800 555 35 35", "+7 809 505 00 00", "+8816 1234 5678", "8 495 123-45-67"])
def test_a_number_that_gets_no_message_or_costs_extra_is_phone_not_mobile(caller, sms_outbox, written):
    assert caller.request_code(written).refusal == ("phone_not_mobile", 400)
    assert sms_outbox == []
    assert not Challenge.objects.exists()


def test_a_second_code_at_once_is_code_requested_too_soon(caller, sms_outbox, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    caller.request_code(ALICE)
    answer = caller.request_code(ALICE)
    assert answer.refusal == ("code_requested_too_soon", 429)
    assert 0 <= answer["retry_after"] <= 60
    assert len(sms_outbox) == Challenge.objects.count() == 1


def test_more_codes_than_allowed_is_too_many_requests(caller, sms_outbox, settings):
    settings.OTP_SENDS_PER_PHONE = rates("2/h")
    for _ in range(2):
        caller.request_code(ALICE)
    answer = caller.request_code(ALICE)
    assert answer.refusal == ("too_many_requests", 429)
    assert 3598 <= answer["retry_after"] <= 3600
    assert len(sms_outbox) == Challenge.objects.count() == 2


def test_a_message_that_does_not_leave_is_sms_not_sent(caller, refusing_gateway):
    with refusing_gateway:
        answer = caller.request_code(ALICE)
    assert answer.refusal == ("sms_not_sent", 503)
    assert answer.said == {"retry_after": 2}
    assert not Challenge.objects.filter(is_sent=True).exists()


def test_too_many_messages_at_once_is_service_unavailable(caller, monkeypatch):
    def full(message):
        raise ServiceUnavailable(retry_after=2)

    monkeypatch.setattr(gateways, "simulate", full)
    answer = caller.request_code(ALICE)
    assert answer.refusal == ("service_unavailable", 503)
    assert answer.said == {"retry_after": 2}
    assert not Challenge.objects.filter(is_sent=True).exists()


def test_the_code_is_not_told_outside_a_demo(caller, real_outbox):
    assert caller.request_code(ALICE)["otp"] is None


# --- Signing in --------------------------------------------------------------------------------------------------


def test_the_code_alone_signs_in_whoever_asked_for_it(caller):
    answer = sign_in(caller, ALICE)
    assert answer.refusal == (None, 200)
    assert (answer["phone"], answer["is_new_user"]) == (ALICE, True)
    assert Session.objects.get().user.phone == ALICE


def test_the_challenge_signs_in_from_anywhere(new_caller):
    sent = new_caller().request_code(ALICE)
    assert new_caller().verify_code(sent["otp"], challenge=sent["challenge"]).refusal == (None, 200)


def test_the_second_sign_in_finds_the_same_user(new_caller):
    sign_in(new_caller(), ALICE)
    assert sign_in(new_caller(), ALICE)["is_new_user"] is False
    assert (User.objects.count(), Session.objects.count()) == (1, 2)


def test_a_code_without_a_challenge_is_challenge_required(new_caller):
    sent = new_caller().request_code(ALICE)
    assert new_caller().verify_code(sent["otp"], phone=ALICE).refusal == ("challenge_required", 400)
    assert Challenge.objects.get().attempts == 0


@pytest.mark.parametrize("code", ["", "123", "123456789", "12a4", "१२३४", "12\x0034"])
def test_what_cannot_be_a_code_is_invalid_input_and_costs_no_try(caller, code):
    caller.request_code(ALICE)
    answer = caller.verify_code(code)
    assert answer.refusal == ("invalid_input", 400)
    assert answer.said == {"fields": ["code"]}
    assert Challenge.objects.get().attempts == 0


def test_a_wrong_code_counts_down_and_the_third_ends_it(caller):
    code = caller.request_code(ALICE)["otp"]
    answers = [caller.verify_code(wrong(code)) for _ in range(3)] + [caller.verify_code(code)]
    assert [answer.refusal for answer in answers] == [("invalid_code", 400)] * 4
    assert [answer.said for answer in answers] == [{"attempts_left": left} for left in (2, 1, 0, 0)]
    assert Challenge.objects.get().attempts == 3
    assert not User.objects.exists()


def test_a_code_works_once(caller):
    code = caller.request_code(ALICE)["otp"]
    caller.verify_code(code)
    answer = caller.verify_code(code)
    assert (answer.refusal, answer.said) == (("invalid_code", 400), {"attempts_left": 0})
    assert Session.objects.count() == 1


def test_an_old_code_is_invalid_code(caller):
    code = caller.request_code(ALICE)["otp"]
    Challenge.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert caller.verify_code(code).refusal == ("invalid_code", 400)
    assert not User.objects.exists()


def test_another_number_sent_along_is_invalid_code(token_caller):
    code = token_caller.request_code(ALICE)["otp"]
    answer = token_caller.verify_code(code, phone=BOB)
    assert (answer.refusal, answer.said) == (("invalid_code", 400), {"attempts_left": 2})
    assert not User.objects.exists()


def test_an_unknown_challenge_is_invalid_code_and_goes_before_the_cookie(caller):
    code = caller.request_code(ALICE)["otp"]
    answer = caller.verify_code(code, challenge="nonsense")
    assert (answer.refusal, answer.said) == (("invalid_code", 400), {"attempts_left": 0})
    assert Challenge.objects.get().attempts == 0


def test_too_many_wrong_codes_from_an_address_is_too_many_attempts(caller, settings):
    settings.OTP_FAILURES_PER_IP = rates("1/h")
    code = caller.request_code(ALICE)["otp"]
    caller.verify_code(wrong(code))
    answer = caller.verify_code(code)
    assert answer.refusal == ("too_many_attempts", 429)
    assert 3590 <= answer["retry_after"] <= 3600
    assert Challenge.objects.get().attempts == 1
    assert not User.objects.exists()


def test_a_number_under_attack_gets_six_digits(caller, settings):
    settings.OTP_FAILURES_PER_PHONE = rates("1/d")
    caller.verify_code(wrong(caller.request_code(ALICE)["otp"]))
    code = caller.request_code(ALICE)["otp"]
    assert len(code) == 6
    assert caller.verify_code(code).refusal == (None, 200)


def test_a_resend_ends_the_code_before_it(caller):
    first, second = caller.request_code(ALICE), caller.request_code(ALICE)
    assert caller.verify_code(first["otp"], challenge=first["challenge"]).refusal == ("invalid_code", 400)
    assert caller.verify_code(second["otp"]).refusal == (None, 200)


def test_somebody_switched_off_is_account_disabled(caller, alice):
    User.objects.update(is_active=False)
    assert sign_in(caller, ALICE).refusal == ("account_disabled", 403)
    assert not Session.objects.exists()


def test_a_bad_token_in_the_header_stops_nobody_from_signing_in(token_caller):
    token_caller.token = "old.and.broken"
    code = token_caller.request_code(ALICE)["otp"]
    assert token_caller.verify_code(code).refusal == (None, 200)


# --- Test numbers --------------------------------------------------------------------------------------------------

TEST_NUMBER, FIXED_CODE = "+79990000001", "490731"


def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture
def test_number(settings, real_outbox) -> str:
    settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = {TEST_NUMBER: FIXED_CODE}, today()
    settings.OTP_FAILURES_PER_TEST_NUMBER = rates("10/d")
    settings.OTP_RESEND_COOLDOWN = 60
    return TEST_NUMBER


def test_a_test_number_signs_in_by_its_fixed_code_and_nothing_is_sent(caller, test_number, sms_outbox):
    for is_new in (True, False):
        sent = caller.request_code(test_number)
        assert (sent.refusal, sent["otp"], sent["resend_in"]) == ((None, 200), None, 0)
        answer = caller.verify_code(FIXED_CODE)
        assert (answer.refusal, answer["phone"], answer["is_new_user"]) == ((None, 200), test_number, is_new)
    assert sms_outbox == []


def test_guessing_at_a_test_number_ends_for_the_day(new_caller, test_number):
    tried = []
    for _ in range(4):
        caller = new_caller()
        caller.request_code(test_number)
        tried += [caller.verify_code(wrong(FIXED_CODE)).code for _ in range(3)]
    assert tried == ["invalid_code"] * 10 + ["too_many_attempts"] * 2
    refused = [caller.verify_code(FIXED_CODE), new_caller().request_code(test_number)]
    assert [answer.refusal for answer in refused] == [("too_many_attempts", 429)] * 2
    assert all(23 * 3600 <= answer["retry_after"] <= 24 * 3600 for answer in refused)
    assert not User.objects.exists()
    CodeFailure.objects.update(created_at=F("created_at") - timedelta(days=1))
    caller = new_caller()
    caller.request_code(test_number)
    assert caller.verify_code(FIXED_CODE).refusal == (None, 200)


def test_a_test_number_that_is_over_takes_no_fixed_code(new_caller, test_number, settings, sms_outbox):
    before, after = new_caller(), new_caller()
    before.request_code(test_number)
    settings.TEST_NUMBERS_UNTIL = today() - timedelta(days=1)
    assert before.verify_code(FIXED_CODE).refusal == ("invalid_code", 400)
    after.request_code(test_number)
    assert [phone for phone, _ in sms_outbox] == [test_number]
    assert after.verify_code(FIXED_CODE).refusal == ("invalid_code", 400)
    assert not User.objects.exists()


def test_nothing_tells_that_an_invite_code_is_a_tests(new_caller, test_number, alice, settings):
    tester, real = new_caller(), new_caller()
    tester.request_code(test_number)
    tester.verify_code(FIXED_CODE)
    settings.DEMO = True
    sign_in(real, BOB)
    code = User.objects.get(is_test=True).invite_code
    unused = next(one for one in ("222222", "333333", "444444") if not User.objects.filter(invite_code=one).exists())
    refused = [real.activate_invite(code), real.activate_invite(unused), tester.activate_invite(alice.invite_code)]
    assert refused[0] == refused[1] == refused[2]
    assert refused[0].refusal == ("invite_not_found", 404)
    assert InviteFailure.objects.count() == 3
    assert not Activation.objects.exists()


# --- Profiles ----------------------------------------------------------------------------------------------------


def test_my_profile_shows_full_numbers_newest_first(caller):
    sign_in(caller, ALICE)
    alice = User.objects.get()
    invite(alice, BOB, CHARLIE)
    Activation.objects.create(inviter=User.objects.get(phone=BOB), invitee=alice)
    answer = caller.me()
    assert (answer["phone"], answer["invite_code"]) == (ALICE, alice.invite_code)
    assert answer.said.get("id", str(alice.id)) == str(alice.id)  # people have no use for it
    assert answer["activated_invite_code"] == User.objects.get(phone=BOB).invite_code
    assert (answer["referrals"], answer["referrals_count"]) == ([CHARLIE, BOB], 2)


def test_who_has_left_stays_in_the_list_without_a_number(caller, alice, bob):
    invite(alice, BOB)
    User.objects.filter(id=bob.id).update(phone=None, is_active=False)
    sign_in(caller, ALICE)
    answer = caller.me()
    assert (answer["referrals"], answer["referrals_count"]) == (["***"], 1)


def test_how_often_ones_link_was_opened_is_seen(caller, alice):
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"}
    sign_in(caller, ALICE)
    assert caller.me()["invite_opened"] == 0
    for _ in range(3):
        assert Client().get(f"/i/{alice.invite_code}/", headers=browser).status_code == 200
    services.write_openings()
    assert caller.me()["invite_opened"] == 3


def test_a_new_profile_is_empty(caller):
    sign_in(caller, ALICE)
    answer = caller.me()
    assert (answer["activated_invite_code"], answer["referrals"], answer["referrals_count"]) == (None, [], 0)


def test_a_profile_needs_somebody_signed_in(caller):
    assert caller.me().refusal == ("not_authenticated", 401)


def test_a_token_that_is_not_good_is_invalid_token(token_caller):
    sign_in(token_caller, ALICE)
    token_caller.token = token_caller.token[:-2] + "AA"
    assert token_caller.me().refusal == ("invalid_token", 401)


def test_the_cookie_jar_gives_no_identity_where_tokens_do(token_caller):
    sign_in(token_caller, ALICE)
    assert token_caller.me().refusal == (None, 200)
    token_caller.token = None
    assert token_caller.me().refusal == ("not_authenticated", 401)


def test_other_peoples_numbers_are_masked(token_caller, bob):
    invite(bob, CHARLIE)
    sign_in(token_caller, ALICE)
    answer = token_caller.user(str(bob.id))
    assert (answer["phone"], answer["referrals"]) == ("+7 913 ***-**-12", ["+7 926 ***-**-67"])
    assert (answer["invite_code"], answer["referrals_count"]) == (bob.invite_code, 1)


def test_my_own_page_is_my_profile(token_caller, alice):
    invite(alice, BOB)
    sign_in(token_caller, ALICE)
    answer = token_caller.user(str(alice.id))
    assert (answer["phone"], answer["referrals"]) == (ALICE, [BOB])


@pytest.mark.parametrize("user_id", ["00000000-0000-4000-8000-000000000000", "nonsense", "1"])
def test_somebody_unknown_is_not_found(token_caller, user_id):
    sign_in(token_caller, ALICE)
    assert token_caller.user(user_id).refusal == ("not_found", 404)


def test_somebody_switched_off_is_not_found(token_caller, bob):
    sign_in(token_caller, ALICE)
    User.objects.filter(id=bob.id).update(is_active=False)
    assert token_caller.user(str(bob.id)).refusal == ("not_found", 404)


def test_every_referral_is_on_exactly_one_page(token_caller, alice):
    phones = [f"+7916000{number:04}" for number in range(205)]
    invite(alice, *phones)
    sign_in(token_caller, ALICE)
    first = token_caller.referrals()
    second = token_caller.referrals(first["next"])
    third = token_caller.referrals(second["next"])
    assert [len(page["items"]) for page in (first, second, third)] == [100, 100, 5]
    assert [phone for page in (first, second, third) for phone, _ in page["items"]] == phones[::-1]
    assert not third["next"]


@pytest.mark.parametrize("cursor", ["nonsense", "PDA", "ы"])
def test_a_cursor_that_is_not_ours_is_invalid_input(caller, cursor):
    sign_in(caller, ALICE)
    answer = caller.referrals(cursor)
    assert (answer.refusal, answer.said) == (("invalid_input", 400), {"fields": ["cursor"]})


# --- Naming the one who invited ----------------------------------------------------------------------------------


def test_a_code_is_entered_and_its_owner_sees_who_came(new_caller):
    owner, guest = new_caller(), new_caller()
    sign_in(owner, ALICE)
    sign_in(guest, BOB)
    code = owner.me()["invite_code"]
    answer = guest.activate_invite(code)
    assert answer.refusal == (None, 200)
    assert (answer["activated_invite_code"], answer["invited_by"]) == (code, "+7 913 ***-**-00")
    assert owner.me()["referrals"] == [BOB]
    assert Activation.objects.get().invitee.phone == BOB


def test_case_spaces_and_hyphens_of_a_code_do_not_matter(caller, alice):
    sign_in(caller, BOB)
    code = alice.invite_code.lower()
    assert caller.activate_invite(f" {code[:3]}-{code[3:]} ")["activated_invite_code"] == alice.invite_code


def test_the_same_code_again_changes_nothing(caller, alice):
    sign_in(caller, BOB)
    first, again = (caller.activate_invite(alice.invite_code) for _ in range(2))
    assert first == again
    assert Activation.objects.count() == 1


def test_another_code_is_invite_already_activated(caller, alice, charlie):
    sign_in(caller, BOB)
    caller.activate_invite(alice.invite_code)
    assert caller.activate_invite(charlie.invite_code).refusal == ("invite_already_activated", 409)
    assert Activation.objects.get().inviter == alice


def test_ones_own_code_is_own_invite(caller, alice):
    sign_in(caller, ALICE)
    assert caller.activate_invite(alice.invite_code).refusal == ("own_invite", 400)
    assert not Activation.objects.exists()


def test_a_code_nobody_has_is_invite_not_found(caller):
    sign_in(caller, ALICE)
    unused = "222222" if User.objects.get().invite_code != "222222" else "333333"
    assert caller.activate_invite(unused).refusal == ("invite_not_found", 404)
    assert not Activation.objects.exists()


def test_too_many_codes_that_nobody_has_is_too_many_attempts(caller, alice, settings):
    settings.INVITE_FAILURES_PER_USER = rates("2/h")
    sign_in(caller, BOB)
    unused = [code for code in ("222222", "333333", "444444") if not User.objects.filter(invite_code=code).exists()]
    refusals = [caller.activate_invite(code).refusal for code in (*unused[:2], alice.invite_code)]
    assert refusals == [("invite_not_found", 404)] * 2 + [("too_many_attempts", 429)]
    assert not Activation.objects.exists()


@pytest.mark.parametrize("code", ["", "ABC", "ABCDEFG", "ABC0IL", "АБВГДЕ", "22\x00222"])
def test_what_cannot_be_an_invite_code_is_invalid_input(caller, code):
    sign_in(caller, ALICE)
    answer = caller.activate_invite(code)
    assert (answer.refusal, answer.said) == (("invalid_input", 400), {"fields": ["invite_code"]})


def test_entering_a_code_needs_somebody_signed_in(caller, alice):
    assert caller.activate_invite(alice.invite_code).refusal == ("not_authenticated", 401)
    assert not Activation.objects.exists()


# --- Tokens ------------------------------------------------------------------------------------------------------


def test_tokens_come_as_oauth_clients_know_them(token_caller):
    answer = sign_in(token_caller, ALICE)
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)


def test_a_refresh_token_gives_the_next_pair(token_caller):
    first = sign_in(token_caller, ALICE)
    second = token_caller.refresh(first["refresh_token"])
    assert second.refusal == (None, 200)
    assert second["refresh_token"] != first["refresh_token"]
    token_caller.token = second["token"]
    assert token_caller.me()["phone"] == ALICE


def test_a_refresh_token_used_again_after_the_grace_ends_the_session(token_caller):
    first = sign_in(token_caller, ALICE)
    second = token_caller.refresh(first["refresh_token"])
    Session.objects.update(refreshed_at=F("refreshed_at") - timedelta(seconds=11))
    assert token_caller.refresh(first["refresh_token"]).refusal == ("invalid_token", 401)
    assert token_caller.refresh(second["refresh_token"]).refusal == ("invalid_token", 401)
    assert Session.objects.get().ended_at


@pytest.mark.parametrize("refresh_token", ["", "nonsense", "A" * 70, "ы"])
def test_what_is_not_a_refresh_token_is_invalid_token(token_caller, refresh_token):
    sign_in(token_caller, ALICE)
    assert token_caller.refresh(refresh_token).refusal == ("invalid_token", 401)
    assert Session.objects.get().ended_at is None


def test_i_see_where_i_am_signed_in_and_end_the_other(new_caller, browser):
    here, there, bob = new_caller(), new_caller(), new_caller()
    sign_in(here, ALICE)
    sign_in(there, ALICE)
    sign_in(bob, BOB)
    other, this = here.sessions()["items"]
    assert [(one["browser"], one["address"], one["current"]) for one in (other, this)] == [
        ("Unknown browser", "127.0.0.1", False),
        ("Unknown browser", "127.0.0.1", True),
    ]
    assert bob.end_session(other["id"]).refusal == ("not_found", 404)
    assert there.me().refusal == (None, 200)
    assert here.end_session(other["id"]).refusal == (None, 200)
    assert there.me().status == 401
    assert here.end_session(other["id"]).refusal == ("not_found", 404)
    assert [one["current"] for one in here.sessions()["items"]] == [True]


def test_i_log_out_everywhere(new_caller):
    here, there, bob = new_caller(), new_caller(), new_caller()
    for caller, phone in ((here, ALICE), (there, ALICE), (bob, BOB)):
        sign_in(caller, phone)
    assert here.logout(everywhere=True).refusal == (None, 200)
    assert [caller.me().status for caller in (here, there, bob)] == [401, 401, 200]


def test_sessions_need_somebody_signed_in(caller):
    assert caller.sessions().refusal == ("not_authenticated", 401)


def test_nobody_sees_where_others_are_signed_in(bob, alice):
    caller = GraphQLDoor()
    sign_in(caller, ALICE)
    asked = "query($id: ID!) { user(id: $id) { sessions { edges { cursor } } } }"
    assert caller._run(asked, id=str(bob.id)).said == {"sessions": None}
    assert len(caller._run(asked, id=str(alice.id))["sessions"]["edges"]) == 1


def test_after_logout_nothing_of_the_session_is_good(token_caller):
    tokens = sign_in(token_caller, ALICE)
    assert token_caller.logout().refusal == (None, 200)
    assert token_caller.me().refusal == ("invalid_token", 401)
    assert token_caller.refresh(tokens["refresh_token"]).refusal == ("invalid_token", 401)


def test_logout_needs_somebody_signed_in(caller):
    assert caller.logout().refusal == ("not_authenticated", 401)


# --- Leaving -------------------------------------------------------------------------------------------------------


def test_leaving_takes_a_fresh_code_and_then_the_number_is_gone(token_caller):
    sign_in(token_caller, ALICE)
    sent = token_caller.request_code(ALICE)
    assert token_caller.delete_account(wrong(sent["otp"])).refusal == ("invalid_code", 400)
    assert token_caller.delete_account(sent["otp"]).refusal == (None, 200)
    assert User.objects.get().phone is None
    assert token_caller.me().code in {"not_authenticated", "invalid_token"}


def test_an_export_is_everything_we_keep(token_caller):
    sign_in(token_caller, ALICE)
    kept = token_caller.export()
    assert (kept["phone"], kept["invite_code"]) == (ALICE, User.objects.get().invite_code)
    assert [len(kept[name]) for name in ("sessions", "codes", "referrals")] == [1, 1, 0]


# --- When it is our fault ----------------------------------------------------------------------------------------


def test_a_database_that_does_not_answer_is_service_unavailable(token_caller, monkeypatch):
    def fail(**_):
        raise OperationalError("connection to +79136740000 failed")

    monkeypatch.setattr(services, "refresh", fail)
    answer = token_caller.refresh("whatever")
    assert (answer.refusal, answer.said) == (("service_unavailable", 503), {"retry_after": 1})


def test_what_nobody_expected_is_server_error_and_is_logged(token_caller, monkeypatch, caplog):
    def fail(**_):
        raise RuntimeError("about +79136740000")

    monkeypatch.setattr(services, "refresh", fail)
    with caplog.at_level(logging.ERROR):
        answer = token_caller.refresh("whatever")
    assert (answer.refusal, answer.said) == (("server_error", 500), {})
    assert len(caplog.records) == 1


# --- A number that somebody else had ---------------------------------------------------------------------------------


@pytest.fixture
def idle(settings, alice, bob) -> User:
    """Alice's account of two years ago, that came by Bob's code."""
    settings.ACCOUNT_IDLE_DAYS = 365
    Activation.objects.create(invitee=alice, inviter=bob)
    User.objects.filter(id=alice.id).update(created_at=F("created_at") - timedelta(days=730))
    return alice


def test_an_account_nobody_used_for_long_asks_whether_it_is_theirs_and_it_is(caller, idle):
    code = caller.request_code(ALICE)["otp"]
    asked = caller.verify_code(code)
    assert (asked.refusal, asked.said) == (("account_idle", 409), {})
    assert not Session.objects.exists()
    answer = caller.verify_code(code, start_afresh=False)
    assert (answer.refusal, answer["phone"], answer["is_new_user"]) == ((None, 200), ALICE, False)
    assert caller.me()["invite_code"] == idle.invite_code
    assert caller.verify_code(code, start_afresh=False).code == "invalid_code"
    assert sign_in(caller, ALICE).refusal == (None, 200), "it is asked once"


def test_or_it_was_somebody_elses_and_they_start_afresh(caller, idle, charlie):
    code = caller.request_code(ALICE)["otp"]
    assert caller.verify_code(wrong(code)).refusal == ("invalid_code", 400)
    assert caller.verify_code(code).refusal == ("account_idle", 409)
    answer = caller.verify_code(code, start_afresh=True)
    assert (answer.refusal, answer["phone"], answer["is_new_user"]) == ((None, 200), ALICE, True)
    mine = caller.me()
    assert mine["invite_code"] != idle.invite_code
    assert (mine["activated_invite_code"], mine["referrals"]) == (None, [])
    assert caller.activate_invite(charlie.invite_code).refusal == ("invite_already_activated", 409)
    idle.refresh_from_db()
    assert (idle.phone, idle.is_active, idle.activation.invitee_phone) == (None, False, None)


def test_who_says_nothing_is_asked_nothing_while_it_is_off(caller, idle, settings):
    settings.ACCOUNT_IDLE_DAYS = 0
    code = caller.request_code(ALICE)["otp"]
    answer = caller.verify_code(code, start_afresh=True)
    assert (answer.refusal, answer["is_new_user"]) == ((None, 200), False)


# --- Another number ----------------------------------------------------------------------------------------------

NEW = "+79161112233"


def change(caller, phone):
    return caller.change_phone(caller.request_code_for_change(phone)["otp"])


def test_the_story_of_a_number_that_changes_hands(new_caller, bob, charlie):
    here, there, next_owner = new_caller(), new_caller(), new_caller()
    sign_in(there, ALICE)
    sign_in(here, ALICE)
    here.activate_invite(bob.invite_code)
    before = here.me()
    this, other = here.sessions()["items"]
    assert (this["current"], other["current"]) == (True, False)
    assert here.end_session(other["id"]).refusal == (None, 200)
    assert there.me().status == 401
    assert [one["current"] for one in here.sessions()["items"]] == [True]

    sign_in(there, ALICE)
    changed = change(here, NEW)
    assert changed.refusal == (None, 200)
    assert (changed["phone"], changed["invite_code"]) == (NEW, before["invite_code"])
    assert changed["activated_invite_code"] == bob.invite_code
    assert here.me()["phone"] == NEW
    assert there.me().status == 401
    assert "has been changed" in Message.objects.newest_to(ALICE)

    assert sign_in(there, NEW)["is_new_user"] is False
    assert there.me()["invite_code"] == before["invite_code"]

    assert sign_in(next_owner, ALICE)["is_new_user"] is True
    theirs = next_owner.me()
    assert theirs["invite_code"] != before["invite_code"]
    assert (theirs["activated_invite_code"], theirs["referrals"]) == (None, [])
    assert next_owner.activate_invite(charlie.invite_code).refusal == ("invite_already_activated", 409)
    assert Activation.objects.get().invitee.phone == NEW
    assert User.objects.filter(phone__in=[ALICE, NEW]).count() == 2
    assert bob.referrals.count() == 1


def test_a_number_that_is_somebodys_is_phone_taken_and_only_the_right_code_says_so(caller, bob):
    sign_in(caller, ALICE)
    code = caller.request_code_for_change(BOB)["otp"]
    refused = caller.change_phone(wrong(code))
    assert (refused.refusal, refused.said) == (("invalid_code", 400), {"attempts_left": 2})
    assert caller.change_phone(code).refusal == ("phone_taken", 409)
    assert caller.me()["phone"] == ALICE


def test_a_number_is_changed_by_those_who_signed_in_of_late(caller):
    sign_in(caller, ALICE)
    code = caller.request_code_for_change(NEW)["otp"]
    Session.objects.update(created_at=F("created_at") - timedelta(minutes=11))
    assert caller.change_phone(code).refusal == ("recent_sign_in_required", 403)
    assert caller.me()["phone"] == ALICE
    assert Challenge.objects.order_by("-created_at").first().attempts == 0


def test_an_administrators_number_is_changed_elsewhere(caller):
    sign_in(caller, ALICE)
    code = caller.request_code_for_change(NEW)["otp"]
    User.objects.update(is_staff=True)
    assert caller.change_phone(code).refusal == ("forbidden", 403)
    assert caller.me()["phone"] == ALICE


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_an_administrator_does_not_leave_by_a_code(token_caller, right):
    """Whoever has their number now would take an administrator away, and the number with it."""
    sign_in(token_caller, ALICE)
    code = token_caller.request_code(ALICE)["otp"]
    User.objects.update(**{right: True})
    assert token_caller.delete_account(code).refusal == ("forbidden", 403)
    assert token_caller.me()["phone"] == ALICE
    User.objects.update(**{right: False})
    assert token_caller.delete_account(code).code is None, "the code was not used up"


def test_a_change_needs_somebody_signed_in(new_caller):
    caller = new_caller()
    caller.request_code(NEW)
    assert caller.change_phone("1234").refusal == ("not_authenticated", 401)
