"""A number that changes hands while others want it, or its owner leaves: the database decides, and nobody gets an error
that is not an answer."""

import pytest

from tests.support.people import ALICE, BOB, CHARLIE, at_once
from users import services, tokens
from users.clients import Client
from users.models import Challenge, Session, User

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = range(20)
MANY = 24
BROWSER = Client(address="203.0.113.5")
NEW = "+79161112233"


def somebody(phone: str) -> User:
    user, _ = User.objects.get_or_register(phone)
    user.session = tokens.open_session(user, BROWSER)
    return user


def again(user: User) -> User:
    """The same, as another request of theirs knows them."""
    same = User.objects.get(id=user.id)
    same.session = user.session
    return same


def code_to(phone: str) -> dict[str, str]:
    sent = services.request_code(phone=phone, client=BROWSER)
    return {"code": sent.otp, "challenge": sent.challenge}


def kinds(results: list) -> dict[str, int]:
    names = [type(result).__name__ for result in results]
    return {name: names.count(name) for name in sorted(set(names))}


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_three_who_want_one_number_one_gets_it(round_):
    people = [somebody(phone) for phone in (ALICE, BOB, CHARLIE)]
    codes = [code_to(NEW) for _ in people]
    callers = [again(people[number % 3]) for number in range(MANY)]
    results = at_once(
        MANY, lambda number: services.change_phone(user=callers[number], client=BROWSER, **codes[number % 3])
    )
    assert kinds(results) == {"InvalidCode": MANY - 3, "PhoneTaken": 2, "User": 1}
    [winner] = [result for result in results if isinstance(result, User)]
    assert User.objects.get(phone=NEW).id == winner.id
    assert User.objects.filter(phone__in=[ALICE, BOB, CHARLIE]).count() == 2


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_change_and_first_sign_ins_with_that_number_make_one_owner(round_):
    alice = somebody(ALICE)
    to_change, *to_enter = [code_to(NEW) for _ in range(3)]
    callers = [again(alice) for _ in range(MANY)]

    def act(number: int):
        if number % 3:
            return services.verify_code(client=BROWSER, **to_enter[number % 3 - 1])
        return services.change_phone(user=callers[number], client=BROWSER, **to_change)

    found = kinds(at_once(MANY, act))
    owner = User.objects.get(phone=NEW)
    changed = owner.id == alice.id
    assert found == {"InvalidCode": MANY - 3, "SignIn": 2, "User" if changed else "PhoneTaken": 1}
    assert User.objects.count() == (1 if changed else 2)
    assert Session.objects.filter(user=owner, ended_at=None).count() == (3 if changed else 2)


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_change_and_sign_ins_with_the_old_number_leave_no_strangers_session(round_):
    alice = somebody(ALICE)
    to_change, to_enter = code_to(NEW), [code_to(ALICE) for _ in range(3)]
    callers = [again(alice) for _ in range(MANY)]

    def act(number: int):
        if number % 4:
            return services.verify_code(client=BROWSER, **to_enter[number % 4 - 1])
        return services.change_phone(user=callers[number], client=BROWSER, **to_change)

    found = kinds(at_once(MANY, act))
    assert found.pop("User") == 1
    assert set(found) <= {"InvalidCode", "SignIn"}
    assert list(Session.objects.filter(user=alice, ended_at=None)) == [alice.session]
    assert User.objects.get(id=alice.id).phone == NEW


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_a_change_and_leaving_one_happens(round_):
    alice = somebody(ALICE)
    to_change, to_leave = code_to(NEW), code_to(ALICE)
    callers = [again(alice) for _ in range(MANY)]

    def act(number: int):
        if number % 2:
            return services.delete_account(user=callers[number], **to_leave)
        return services.change_phone(user=callers[number], client=BROWSER, **to_change)

    found = kinds(at_once(MANY, act))
    left = User.objects.get(id=alice.id).phone is None
    assert found.pop("NoneType" if left else "User") == 1
    assert set(found) <= {"InvalidCode", "InvalidToken"}
    assert Session.objects.filter(user=alice, ended_at=None).count() == (0 if left else 1)
    assert not Challenge.objects.filter(phone=ALICE).exists()
    assert not User.objects.filter(phone=ALICE).exists()


@pytest.mark.parametrize("round_", ROUNDS)
def test_the_operator_and_first_sign_ins_with_that_number_make_one_owner(round_):
    alice, codes = somebody(ALICE), [code_to(NEW) for _ in range(3)]
    callers = [again(alice) for _ in range(MANY)]

    def act(number: int):
        if number % 4:
            return services.verify_code(client=BROWSER, **codes[number % 4 - 1])
        return services.set_phone(user=callers[number], phone=NEW)

    found = kinds(at_once(MANY, act))
    owner = User.objects.get(phone=NEW)
    changed = owner.id == alice.id
    assert found.pop("SignIn") == 3
    assert found.pop("User" if changed else "PhoneTaken") == (1 if changed else MANY // 4)
    assert found.pop("InvalidCode") == MANY * 3 // 4 - 3
    assert found == ({"InvalidToken": MANY // 4 - 1} if changed else {})
    assert User.objects.count() == (1 if changed else 2)


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_the_operators_change_and_the_owners_one_happens(round_):
    alice, mine = somebody(ALICE), code_to(NEW)
    callers = [again(alice) for _ in range(MANY)]
    by_operator = "+79161112244"

    def act(number: int):
        if number % 2:
            return services.change_phone(user=callers[number], client=BROWSER, **mine)
        return services.set_phone(user=callers[number], phone=by_operator)

    found = kinds(at_once(MANY, act))
    phone = User.objects.get(id=alice.id).phone
    assert phone in {NEW, by_operator}
    assert found.pop("User") == 1
    assert set(found) <= {"InvalidCode", "InvalidToken"}
    assert Session.objects.filter(user=alice, ended_at=None).count() == (1 if phone == NEW else 0)
