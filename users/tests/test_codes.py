import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from users import codes
from users.errors import InvalidInput

CHI_SQUARE_9_P_001 = 27.88  # critical value, 9 degrees of freedom, p = 0.001
CHI_SQUARE_30_P_001 = 59.70  # the same for 30


def chi_square(counts, kinds: int) -> float:
    expected = sum(counts.values()) / kinds
    return sum((count - expected) ** 2 / expected for count in counts.values()) + (kinds - len(counts)) * expected


def test_one_time_codes_are_uniform_with_leading_zeros():
    drawn = [codes.new_one_time_code(4) for _ in range(20_000)]
    assert {len(code) for code in drawn} == {4}
    assert all(code.isascii() and code.isdigit() for code in drawn)
    for place in range(4):
        assert chi_square(Counter(code[place] for code in drawn), 10) < 2 * CHI_SQUARE_9_P_001
    assert 1860 <= sum(code[0] == "0" for code in drawn) <= 2140


def test_six_digits_are_drawn_when_asked():
    assert {len(codes.new_one_time_code(6)) for _ in range(100)} == {6}


def test_invite_codes_are_uniform_over_their_alphabet():
    assert len(codes.INVITE_ALPHABET) == 31
    drawn = [codes.new_invite_code() for _ in range(20_000)]
    assert {len(code) for code in drawn} == {6}
    counts = Counter("".join(drawn))
    assert set(counts) == set(codes.INVITE_ALPHABET)
    assert chi_square(counts, 31) < 2 * CHI_SQUARE_30_P_001


@pytest.mark.parametrize(
    "raw",
    [
        *["ABC234", "abc234", " abc-234 ", "a b c 2 3 4", "AB-C2-34\n", "ＡＢＣ２３４", "abc２٣۴"],
        *[f"ABC{hyphen}234" for hyphen in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad\ufe63\uff0d\u2043\u2e3a"],
        *[f"A{mark}BC234{mark}" for mark in "\u200b\u200c\u200d\u2060\ufeff\u200e\u202e\u2066\ufe0f\u034f\u3164\u2800"],
        *[f"ABC{space}234" for space in "\u00a0\u202f\u2009\u3000\t"],
        *["АВС234", "авс234", "Аbс234"],
        *["ABC234.", "(ABC234)", "«ABC234»,", "`ABC234`", "ABC234…", "*ABC234*!"],
        *["https://zovi.example/i/ABC234/", "http://[::1]:8000/i/abc234", "zovi.example/i/ABC234/?utm=1#x"],
        *["I invite you to Zovi https://zovi.example/i/ABC234/.", "(zovi.example/i/ABC234)", "/i/ABC234/)"],
    ],
)
def test_invite_codes_are_read_forgivingly(raw):
    assert codes.normalise_invite_code(raw) == "ABC234"


@pytest.mark.parametrize(
    "letters", [("АВЕКМНРСТХУ", "ABEKMHPCTXY"), ("авекмнрстху", "ABEKMHPCTXY"), ("ΑΒΕΖΗΚΜΝΡΤΥΧ", "ABEZHKMNPTYX")]
)
def test_letters_that_look_alike_are_read_as_the_latin_one(letters):
    for written, latin in zip(*letters, strict=True):
        assert codes.normalise_invite_code(f"2{written}3456") == f"2{latin}3456"


@pytest.mark.parametrize(
    "raw",
    [
        *["", "ABC23", "ABC2345", "ABC230", "ABCI34", "ABCO34", "ABC23\x00", "ABC234\x00", "АБВ234", "ABC+234"],
        *["https://zovi.example/ABC234/", "https://zovi.example/i/ABC23/", "/i/", "ABC/234", "-" * 6],
    ],
)
def test_what_cannot_be_an_invite_code_is_refused(raw):
    with pytest.raises(InvalidInput) as refused:
        codes.normalise_invite_code(raw)
    assert list(refused.value.extra["fields"]) == ["invite_code"]


@given(st.text())
def test_an_invite_code_is_read_or_refused(raw):
    try:
        code = codes.normalise_invite_code(raw)
    except InvalidInput:
        return
    assert len(code) == 6
    assert set(code) <= set(codes.INVITE_ALPHABET)


def test_the_keyed_hash_depends_on_everything_it_covers():
    one, other = uuid.uuid4(), uuid.uuid4()
    hashes = {
        codes.keyed_hash("1234", challenge=one, pepper="p"),
        codes.keyed_hash("1235", challenge=one, pepper="p"),
        codes.keyed_hash("1234", challenge=other, pepper="p"),
        codes.keyed_hash("1234", challenge=one, pepper="q"),
    }
    assert len(hashes) == 4


@pytest.mark.parametrize(
    "raw",
    [
        *["1234", " 12-34 ", "12\u00a034", "12–34", "1 2 3 4", "１２３４", "١٢٣٤", "۱۲۳۴", "12٣۴", "1234\u2009"],
        *["\u20681234\u2069", "\u200e1234", "12\u206034", "1234\u200b", "\ufeff1234", "12\u221234"],
    ],
)
def test_one_time_codes_are_read_forgivingly(raw):
    assert codes.normalise_one_time_code(raw) == "1234"


@pytest.mark.parametrize("digits", range(4, 9))
def test_one_time_codes_have_four_to_eight_digits(digits):
    assert codes.normalise_one_time_code("0" * digits) == "0" * digits


@pytest.mark.parametrize(
    "raw", ["", "123", "123456789", "12a4", "1234\n", "12\x0034", "१२३४", "12.34", "\t1234", "- -"]
)
def test_what_cannot_be_a_one_time_code_is_refused(raw):
    with pytest.raises(InvalidInput) as refused:
        codes.normalise_one_time_code(raw)
    assert list(refused.value.extra["fields"]) == ["code"]


@pytest.mark.parametrize(
    "code",
    [
        *("0000", "1111", "11111111", "1212", "123123", "1122", "1211"),
        *("1234", "4321", "0123", "7890", "8901", "2109", "12345678", "112233", "332211"),
        *("7999", "0001", "1000", "9990", "5312", "2135", "99953120"),
    ],
)
def test_codes_that_people_would_try_first(code):
    assert codes.is_easy_to_guess(code, "+79995312001")


@pytest.mark.parametrize("code", ["4907", "490731", "38165092", "1357", "0815", "1524", "4940"])
def test_codes_that_nobody_would_try_first(code):
    assert not codes.is_easy_to_guess(code, "+79995312001")
