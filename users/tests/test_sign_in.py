import re
from datetime import timedelta

import pytest
from django.db.models import F

from tests.support.people import ALICE, BOB, wrong
from users import codes, errors, services
from users.models import Challenge, Session, User

pytestmark = pytest.mark.django_db


def sign_in(phone, browser):
    sent = services.request_code(phone=phone, client=browser)
    return services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)


def age(challenge: str, **by) -> None:
    Challenge.objects.filter(id=challenge).update(
        created_at=F("created_at") - timedelta(**by), expires_at=F("expires_at") - timedelta(**by)
    )


def test_a_code_is_sent_and_signs_in(browser, sms_outbox):
    sent = services.request_code(phone="8 913 674-00-00", client=browser)

    [(phone, text)] = sms_outbox
    assert phone == sent.phone == ALICE
    assert re.fullmatch(r"[0-9]{4}", sent.otp)
    assert text.splitlines()[-1] == f"@zovi.example #{sent.otp}"
    assert (sent.expires_in, sent.resend_in) == (180, 0)

    signed_in = services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)

    assert signed_in.is_new_user
    assert signed_in.user.phone == ALICE
    assert re.fullmatch("[23456789ABCDEFGHJKMNPQRSTUVWXYZ]{6}", signed_in.user.invite_code)
    assert Session.objects.get().user == signed_in.user


def test_the_second_sign_in_finds_the_same_user(browser):
    first, second = sign_in(ALICE, browser), sign_in(ALICE, browser)
    assert second.user == first.user
    assert second.user.invite_code == first.user.invite_code
    assert (first.is_new_user, second.is_new_user) == (True, False)
    assert User.objects.count() == 1


def test_the_code_is_not_shown_outside_demo(browser, real_outbox):
    assert services.request_code(phone=ALICE, client=browser).otp is None


def test_the_database_holds_no_code(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    row = Challenge.objects.values().get()
    assert row["code_hash"] != sent.otp
    assert sent.otp not in {str(value) for value in row.values()}
    assert len(row["code_hash"]) == 64


def test_a_wrong_code_counts_down_and_the_third_ends_it(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    left = []
    for _ in range(3):
        with pytest.raises(errors.InvalidCode) as refused:
            services.verify_code(code=wrong(sent.otp), challenge=sent.challenge, client=browser)
        left.append(refused.value.extra["attempts_left"])
    assert left == [2, 1, 0]

    with pytest.raises(errors.InvalidCode) as refused:
        services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)
    assert refused.value.extra["attempts_left"] == 0
    assert not User.objects.exists()
    assert Challenge.objects.get().attempts == 3


def test_a_right_code_after_two_wrong_ones_signs_in(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    for _ in range(2):
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code=wrong(sent.otp), challenge=sent.challenge, client=browser)
    assert services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser).is_new_user


def test_a_code_works_once(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)
    assert Session.objects.count() == 1


@pytest.mark.parametrize(("seconds", "accepted"), [(175, True), (181, False)])
def test_a_code_lives_three_minutes(browser, seconds, accepted):
    sent = services.request_code(phone=ALICE, client=browser)
    age(sent.challenge, seconds=seconds)
    if accepted:
        assert services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)
    else:
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)


@pytest.mark.parametrize("code", ["", "123", "123456789", "12a4", "1234\n", "१२३४", "12\x0034"])
def test_what_is_not_four_to_eight_digits_costs_no_try(browser, code):
    sent = services.request_code(phone=ALICE, client=browser)
    with pytest.raises(errors.InvalidInput) as refused:
        services.verify_code(code=code, challenge=sent.challenge, client=browser)
    assert list(refused.value.extra["fields"]) == ["code"]
    assert Challenge.objects.get().attempts == 0


@pytest.mark.parametrize("challenge", [None, ""])
def test_a_code_without_a_challenge_is_not_tried(browser, challenge):
    sent = services.request_code(phone=ALICE, client=browser)
    with pytest.raises(errors.ChallengeRequired):
        services.verify_code(code=sent.otp, challenge=challenge, phone=ALICE, client=browser)
    assert Challenge.objects.get().attempts == 0


@pytest.mark.parametrize("challenge", ["nonsense", "\x00", "ы" * 5000, "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_challenge_is_a_wrong_code(browser, challenge):
    sent = services.request_code(phone=ALICE, client=browser)
    with pytest.raises(errors.InvalidCode) as refused:
        services.verify_code(code=sent.otp, challenge=challenge, client=browser)
    assert refused.value.extra["attempts_left"] == 0


def test_the_phone_sent_along_must_be_the_challenges(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=sent.otp, challenge=sent.challenge, phone=BOB, client=browser)
    assert services.verify_code(code=sent.otp, challenge=sent.challenge, phone="89136740000", client=browser)


def test_a_code_is_bound_to_its_challenge(browser):
    alices = services.request_code(phone=ALICE, client=browser)
    bobs = services.request_code(phone=BOB, client=browser)
    Challenge.objects.filter(id=bobs.challenge).update(code_hash=Challenge.objects.get(id=alices.challenge).code_hash)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=alices.otp, challenge=bobs.challenge, client=browser)


def test_a_resend_ends_the_code_it_replaces(browser):
    first = services.request_code(phone=ALICE, client=browser)
    second = services.request_code(phone=ALICE, challenge=first.challenge, client=browser)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=first.otp, challenge=first.challenge, client=browser)
    assert services.verify_code(code=second.otp, challenge=second.challenge, client=browser)


def test_a_resend_to_another_number_ends_the_first_too(browser):
    first = services.request_code(phone=ALICE, client=browser)
    services.request_code(phone=BOB, challenge=first.challenge, client=browser)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=first.otp, challenge=first.challenge, client=browser)


def test_a_strangers_request_does_not_void_the_owners_code(browser):
    owners = services.request_code(phone=ALICE, client=browser)
    for _ in range(2):
        services.request_code(phone=ALICE, client=browser)
    assert services.verify_code(code=owners.otp, challenge=owners.challenge, client=browser)


def test_at_most_three_codes_of_a_phone_are_open_and_the_oldest_gives_way(browser):
    sent = [services.request_code(phone=ALICE, client=browser) for _ in range(4)]
    assert Challenge.objects.filter(slot__isnull=False).count() == 3
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=sent[0].otp, challenge=sent[0].challenge, client=browser)
    for one in sent[1:]:
        assert services.verify_code(code=one.otp, challenge=one.challenge, client=browser)


def test_a_message_that_was_not_sent_takes_nothing_away(browser, settings, refusing_gateway):
    settings.OTP_SENDS_PER_IP = settings.OTP_SENDS_PER_PHONE
    earlier = services.request_code(phone=ALICE, client=browser)

    with refusing_gateway, pytest.raises(errors.SMSNotSent):
        services.request_code(phone=ALICE, challenge=earlier.challenge, client=browser)

    assert list(Challenge.objects.order_by("created_at").values_list("is_sent", "slot")) == [(True, 0), (False, None)]
    assert services.verify_code(code=earlier.otp, challenge=earlier.challenge, client=browser)


def test_a_message_that_was_not_sent_starts_no_cooldown(browser, settings, refusing_gateway):
    settings.OTP_RESEND_COOLDOWN = 60

    with refusing_gateway, pytest.raises(errors.SMSNotSent):
        services.request_code(phone=ALICE, client=browser)
    Challenge.objects.update(created_at=F("created_at") - timedelta(seconds=2))
    assert services.request_code(phone=ALICE, client=browser)


def test_somebody_switched_off_cannot_sign_in(browser, alice):
    User.objects.filter(id=alice.id).update(is_active=False)
    with pytest.raises(errors.AccountDisabled):
        sign_in(ALICE, browser)
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    "phone", ["", "1", "no", "+7 913", "\x00", "+7913674000012", "8-800-FLOWERS", "+79136740000;ext=5"]
)
def test_what_is_not_a_phone_number_sends_nothing(browser, sms_outbox, phone):
    with pytest.raises(errors.InvalidPhone):
        services.request_code(phone=phone, client=browser)
    assert sms_outbox == []
    assert not Challenge.objects.exists()


def test_only_allowed_regions_get_codes(browser, sms_outbox, settings):
    settings.PHONE_ALLOWED_REGIONS = ["RU", "KZ"]
    with pytest.raises(errors.RegionNotAllowed):
        services.request_code(phone="+44 20 7946 0958", client=browser)
    services.request_code(phone="+7 701 123 4567", client=browser)
    assert [phone for phone, _ in sms_outbox] == ["+77011234567"]


def test_the_keyed_hash_covers_code_and_challenge(browser, settings):
    sent = services.request_code(phone=ALICE, client=browser)
    kept = Challenge.objects.get()
    assert kept.code_hash == codes.keyed_hash(sent.otp, challenge=kept.id, pepper=settings.OTP_PEPPER)


@pytest.mark.parametrize("written", [" {}", "{}-", "{} "])
def test_a_code_is_read_forgivingly(browser, written):
    sent = services.request_code(phone=ALICE, client=browser)
    assert services.verify_code(code=written.format(sent.otp), challenge=sent.challenge, client=browser)


def test_a_number_of_an_expensive_kind_sends_nothing(browser, sms_outbox):
    for phone in ("+7 809 505 00 00", "8 800 555 35 35", "+7 495 123-45-67", "+8816 1234 5678"):
        with pytest.raises(errors.PhoneNotMobile):
            services.request_code(phone=phone, client=browser)
    assert sms_outbox == []
    assert not Challenge.objects.exists()


@pytest.mark.parametrize("phone", ["+7 495 123-45-67", "+7 000 123-45-67"])
def test_a_number_that_is_a_users_already_is_accepted_whatever_metadata_says(browser, sms_outbox, phone):
    User.objects.get_or_register("+" + "".join(filter(str.isdigit, phone)))
    assert sign_in(phone, browser).is_new_user is False


def test_what_comes_back_is_whole(browser):
    """No half-filled models: what SQL returned is what the database holds."""
    for is_new in (True, False):
        signed_in = sign_in(ALICE, browser)
        assert signed_in.is_new_user is is_new
        for model, kept in ((User, signed_in.user), (Session, signed_in.session)):
            row = model.objects.get(pk=kept.pk)
            values = {field.attname for field in model._meta.concrete_fields}
            assert {name: bytes_of(getattr(kept, name)) for name in values} == {
                name: bytes_of(getattr(row, name)) for name in values
            }
            assert not kept._state.adding


def bytes_of(value):
    return bytes(value) if isinstance(value, memoryview) else value


def test_a_newcomer_whose_invite_code_is_taken_draws_another(browser, monkeypatch, alice):
    drawn = iter([alice.invite_code, alice.invite_code, "ZZZ999"])
    monkeypatch.setattr(codes, "new_invite_code", lambda: next(drawn))

    signed_in = sign_in(BOB, browser)

    assert signed_in.is_new_user
    assert (signed_in.user.phone, signed_in.user.invite_code) == (BOB, "ZZZ999")
    session = Session.objects.get(user=signed_in.user)
    assert (session.id, session.address) == (signed_in.session.id, browser.address)


def test_a_refresh_goes_on_with_the_same_session_and_registers_nobody(browser):
    first = sign_in(ALICE, browser)
    second = services.refresh(refresh_token=first.tokens.refresh)
    assert (second.session.id, second.user, second.is_new_user) == (first.session.id, first.user, False)
