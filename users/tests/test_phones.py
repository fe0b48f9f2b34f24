import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from users import phones
from users.errors import DomainError, InvalidPhone, PhoneNotMobile, RegionNotAllowed


def normalise(raw, region="RU", allowed=(), types=()):
    return phones.normalise(raw, default_region=region, allowed_regions=allowed, allowed_types=types)


@pytest.mark.parametrize(
    "raw",
    [
        "8 913 674-00-00",
        "+7(913)6740000",
        "00 7 913 674 00 00",
        "79136740000",
        "9136740000",
        "  +7 913 674 00 00  ",
        "+7.913.674.00.00",
    ],
)
def test_every_usual_form_is_one_number(raw):
    assert normalise(raw) == "+79136740000"


def test_the_default_region_decides_what_a_bare_number_means():
    assert normalise("020 7946 0958", region="GB") == "+442079460958"


@pytest.mark.parametrize(
    "raw",
    ["", " ", "no", "123", "+7", "+799", "9" * 300, "+7913674000a", "\ud800", "\n+79136740000", "+7913674\x000000"],
)
def test_anything_else_is_refused(raw):
    with pytest.raises(InvalidPhone):
        normalise(raw)


@pytest.mark.parametrize(
    ("raw", "region"),
    [("+491511234567.0", "RU"), ("4366412345.0", "AT"), ("+4366412345,00", "RU"), ("066412345.0", "AT")],
)
def test_a_decimal_fraction_is_not_the_longer_number_of_somebody_else(raw, region):
    with pytest.raises(InvalidPhone):
        normalise(raw, region=region)
    normalise(re.sub("[.,]", "", raw), region=region)


def test_a_region_outside_the_list_is_refused_by_its_own_error():
    with pytest.raises(RegionNotAllowed):
        normalise("+44 20 7946 0958", allowed=["RU"])
    assert normalise("+44 20 7946 0958", allowed=["RU", "GB"]) == "+442079460958"


DEAR = {
    "premium": "+78095050000",
    "shared cost": "+448443352000",
    "toll-free": "+78005553535",
    "UAN": "+4918500123456",
    "pager": "+447640123456",
    "voicemail": "+41860123456789",
    "personal": "+447012345678",
    "fixed": "+74951234567",
    "voip": "+445612345678",
    "satellite": "+881612345678",
    "international freephone": "+80012345678",
    "international premium": "+979123456789",
}


@pytest.mark.parametrize("phone", DEAR.values(), ids=DEAR)
def test_what_gets_no_message_or_costs_extra_is_not_mobile(phone):
    with pytest.raises(PhoneNotMobile):
        normalise(phone, types=["mobile"])


@pytest.mark.parametrize("phone", ["+79136740000", "+12125550123", "+447911123456"])
def test_a_mobile_number_may_be_one_that_could_be_fixed_too(phone):
    assert normalise(phone, types=["mobile"]) == phone


def test_other_kinds_may_be_allowed_and_codes_without_a_country_never():
    assert normalise("+74951234567", types=["mobile", "fixed_line"]) == "+74951234567"
    with pytest.raises(PhoneNotMobile):
        normalise("+881612345678", types=phones.TYPES)


def test_the_region_is_told_before_the_kind():
    with pytest.raises(RegionNotAllowed):
        normalise("+442079460958", allowed=["RU"], types=["mobile"])


def test_a_number_that_was_just_read_is_masked_without_reading_it_again(monkeypatch):
    phone = phones.read("8 913 674-00-12", default_region="RU")
    monkeypatch.setattr(phonenumbers, "parse", None)
    assert phones.mask(phone) == "+7 913 ***-**-12"


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+79136740012", "+7 913 ***-**-12"),
        ("+442079460958", "+44 20 7*** **58"),
        ("+12125550123", "+1 212-***-**23"),
        ("+3726680000", "+372 *** **00"),
    ],
)
def test_a_mask_keeps_the_country_three_digits_and_the_last_two(phone, masked):
    assert phones.mask(phone) == masked


@given(st.text())
def test_no_text_at_all_is_more_than_refused(raw):
    try:
        number = normalise(raw)
    except DomainError:
        return
    assert phonenumbers.is_valid_number(phonenumbers.parse(number))
    assert normalise(number) == number


@given(st.integers(9_000_000_000, 9_999_999_999))
def test_a_mask_hides_all_but_five_digits_of_ten(national):
    assert phones.mask(f"+7{national}").count("*") == 5
