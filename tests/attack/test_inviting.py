"""Inviting: more than once, oneself, for others, by guessing."""

from collections import Counter

import pytest
from django.db import IntegrityError, connection, transaction

from tests.contract.conftest import DOORS
from tests.contract.doors import new_browser
from tests.support.people import ALICE, BOB
from users import codes
from users.models import Activation, InviteFailure, User


def signed_in(door, phone):
    caller = door(new_browser())
    assert caller.verify_code(caller.request_code(phone)["otp"]).code is None
    return caller


@pytest.mark.row("R3")
def test_a_million_invite_codes_have_no_bias(figure):
    drawn = [codes.new_invite_code() for _ in range(1_000_000)]
    expected = len(drawn) / len(codes.INVITE_ALPHABET)
    for place in range(codes.INVITE_LENGTH):
        counts = Counter(code[place] for code in drawn)
        chi_square = sum((counts[letter] - expected) ** 2 / expected for letter in codes.INVITE_ALPHABET)
        assert chi_square < 2 * 59.7  # p = 0.001 at 30 degrees of freedom, doubled: six places, every run
    repeated = len(drawn) - len(set(drawn))
    by_chance = len(drawn) ** 2 / 2 / len(codes.INVITE_ALPHABET) ** codes.INVITE_LENGTH
    assert repeated < 1.5 * by_chance
    figure(f"1,000,000 drawn, {repeated} drawn twice where chance alone gives {by_chance:.0f}")


@pytest.mark.django_db
@pytest.mark.row("R2")
def test_sql_itself_refuses_an_invitation_of_oneself_a_second_one_and_a_change(alice, bob, charlie):
    Activation.objects.create(invitee=alice, inviter=bob)
    for statement, values in (
        ("INSERT INTO users_activation (invitee_id, inviter_id) VALUES (%s, %s)", [bob.id, bob.id]),
        ("INSERT INTO users_activation (invitee_id, inviter_id) VALUES (%s, %s)", [alice.id, charlie.id]),
        ("UPDATE users_activation SET inviter_id = %s WHERE invitee_id = %s", [charlie.id, alice.id]),
        ("UPDATE users_activation SET inviter_id = invitee_id WHERE invitee_id = %s", [alice.id]),
        ("UPDATE users_user SET invite_code = 'AAAAAA' WHERE id = %s", [alice.id]),
        ("UPDATE users_user SET invite_code = %s WHERE id = %s", [bob.invite_code, alice.id]),
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
    assert Activation.objects.get().inviter == bob


@pytest.mark.django_db
@pytest.mark.row("R5")
def test_a_body_cannot_say_who_acts_nor_set_what_it_should_not(alice, bob, charlie, api):
    """Mass assignment: every field of the tables, sent along with every call that writes."""
    foreign = {
        "is_staff": True,
        "is_superuser": True,
        "is_active": False,
        "id": str(charlie.id),
        "user": str(charlie.id),
        "user_id": str(charlie.id),
        "invitee": str(charlie.id),
        "inviter_id": str(charlie.id),
        "invite_code": "AAAAAA",
        "phone": BOB,
        "attempts": -100,
        "expires_at": "2099-01-01T00:00:00Z",
        "digits": 1,
        "refs": [ALICE],
        "address": "198.51.100.1",
    }
    phone = "+79135550000"
    sent = api.post("/api/users/send_otp/", foreign | {"phone_number": phone}, format="json").json()
    signed = api.post("/api/users/auth/", foreign | {"otp": sent["otp"]}, format="json").json()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {signed['token']}")
    body = foreign | {"activated_invite_code": alice.invite_code}
    assert api.post("/api/users/referal/", body, format="json").status_code == 200
    user = User.objects.get(phone=phone)
    assert (user.is_staff, user.is_superuser, user.is_active) == (False, False, True)
    assert user.invite_code != "AAAAAA"
    assert user.id not in {alice.id, bob.id, charlie.id}
    activation = Activation.objects.get()
    assert (activation.invitee_id, activation.inviter_id) == (user.id, alice.id)
    assert str(user.sessions.get().address) == "127.0.0.1"

    foreign_phone = {"activated_invite_code": alice.invite_code, "phone_number": BOB}
    refused = api.post("/api/users/referal/", foreign_phone, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_phone")
    assert Activation.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.row("R6")
def test_a_hundred_guessed_invite_codes_through_all_doors_are_ten_compared(alice, figure):
    callers = [signed_in(door, BOB) for door in DOORS]
    guesses = iter(codes.new_invite_code() for _ in range(200))
    answers = [callers[number % len(callers)].activate_invite(next(guesses)).code for number in range(100)]
    assert Counter(answers) == {"invite_not_found": 10, "too_many_attempts": 90}
    assert InviteFailure.objects.count() == 10
    # Not even the right one helps now, so that it cannot be told from a wrong one.
    assert callers[0].activate_invite(alice.invite_code).code == "too_many_attempts"
    figure(f"10 of 100 compared within the hour, over {len(DOORS)} doors")


@pytest.mark.django_db
@pytest.mark.row("R7")
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_the_same_activation_twice_is_the_same_answer_and_one_row(door, alice):
    caller = signed_in(door, BOB)
    first, second = (caller.activate_invite(alice.invite_code) for _ in range(2))
    assert first == second
    assert first.code is None
    assert Activation.objects.count() == 1
