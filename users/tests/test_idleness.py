"""An account nobody has used for long asks whose it is; who starts afresh takes its number and nothing else of it."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from tests.support.people import ALICE, BOB, CHARLIE, at_once, wrong
from users import errors, events, limits, services, tokens
from users.clients import Client
from users.models import Activation, Challenge, CodeFailure, InvitedNumber, Session, User

pytestmark = pytest.mark.django_db
BROWSER = Client(address="203.0.113.5")
NEW = "+79161112233"
ROUNDS = range(20)
MANY = 12


@pytest.fixture(autouse=True)
def asking(settings) -> None:
    settings.ACCOUNT_IDLE_DAYS = 365


def age(user: User, days: int = 400) -> User:
    """As if they had registered, and been seen last, so long ago."""
    by = timedelta(days=days)
    User.objects.filter(id=user.id).update(created_at=F("created_at") - by)
    Session.objects.filter(user=user).update(
        created_at=F("created_at") - by, seen_at=F("seen_at") - by, expires_at=F("expires_at") - by
    )
    return user


@pytest.fixture
def idle(alice) -> User:
    return age(alice)


def code_to(phone=ALICE) -> dict[str, str]:
    sent = services.request_code(phone=phone, client=BROWSER)
    return {"code": sent.otp, "challenge": sent.challenge}


def verify(code, **answer) -> services.SignIn:
    return services.verify_code(client=BROWSER, **code, **answer)


def is_asked(phone=ALICE) -> bool:
    try:
        verify(code_to(phone))
    except errors.AccountIdle:
        return True
    return False


def test_the_question_uses_nothing_up_and_is_no_failure(idle):
    code = code_to()
    for _ in range(5):
        with pytest.raises(errors.AccountIdle):
            verify(code)
    row = Challenge.objects.get()
    assert (row.attempts, row.used_at, row.used_from, row.slot) == (0, None, None, 0)
    assert not CodeFailure.objects.exists()
    assert not Session.objects.exists()
    assert verify(code, start_afresh=False).user == idle


def test_wrong_codes_count_before_and_after_the_question(idle):
    code = code_to()
    for left in (2, 1):
        with pytest.raises(errors.InvalidCode) as refused:
            verify(code | {"code": wrong(code["code"])})
        assert refused.value.extra == {"attempts_left": left}
        with pytest.raises(errors.AccountIdle):
            verify(code)
    with pytest.raises(errors.InvalidCode):
        verify(code | {"code": wrong(code["code"])}, start_afresh=True)
    for answer in (None, True, False):
        with pytest.raises(errors.InvalidCode):
            verify(code, start_afresh=answer)
    assert (CodeFailure.objects.count(), User.objects.get().phone) == (3, ALICE)


def test_there_is_time_to_answer_and_only_once_more(idle):
    code = code_to()
    almost = timedelta(seconds=179)
    Challenge.objects.update(created_at=F("created_at") - almost, expires_at=F("expires_at") - almost)
    for _ in range(3):
        with pytest.raises(errors.AccountIdle):
            verify(code)
        row = Challenge.objects.get()
        assert row.expires_at == row.created_at + timedelta(seconds=180 + limits.ASKED_SECONDS)
    Challenge.objects.update(expires_at=timezone.now())
    with pytest.raises(errors.InvalidCode):
        verify(code, start_afresh=True)


def test_the_answer_needs_the_code_and_the_challenge(idle):
    code = code_to()
    with pytest.raises(errors.AccountIdle):
        verify(code)
    with pytest.raises(errors.ChallengeRequired):
        services.verify_code(code=code["code"], challenge=None, client=BROWSER, start_afresh=True)
    other = services.request_code(phone=BOB, client=BROWSER).challenge
    if code["code"] != services.request_code(phone=BOB, client=BROWSER).otp:
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code=code["code"], challenge=other, client=BROWSER, start_afresh=True)
    assert User.objects.get(id=idle.id).phone == ALICE


def test_a_wrong_answer_is_refused_like_any_wrong_code(idle):
    code = code_to()
    for given in ({"code": wrong(code["code"])}, {"phone": BOB}):
        with pytest.raises(errors.InvalidCode):
            verify(code | given, start_afresh=True)
    assert list(CodeFailure.objects.values_list("address", flat=True)) == [BROWSER.address] * 2
    assert User.objects.get().phone == ALICE


def test_who_starts_afresh_has_the_number_and_nothing_else(idle, bob, charlie, settings, sms_outbox):
    settings.SERVICE_KEYS, settings.EVENTS_ARE_RECORDED = {"crm": "k" * 40}, True
    services.activate_invite(user=idle, invite_code=bob.invite_code)
    Activation.objects.create(invitee=charlie, inviter=idle)
    old = tokens.open_session(idle, BROWSER)
    age(idle)
    Session.objects.update(expires_at=timezone.now() + timedelta(days=1))
    events.after(0, limit=10)
    signed_in = verify(code_to(), start_afresh=True)
    assert (signed_in.is_new_user, signed_in.user.phone, signed_in.user != idle) == (True, ALICE, True)
    idle.refresh_from_db()
    assert (idle.phone, idle.is_active, idle.set_aside_at is None) == (None, False, False)
    assert idle.referrals_count == 1
    assert idle.activation.inviter == bob
    old.refresh_from_db()
    assert old.ended_at
    assert not services.may_activate(user=signed_in.user)
    assert InvitedNumber.objects.count() == 1
    told, _ = events.after(0, limit=10)
    created = {"user_id": str(signed_in.user.id), "invite_code": signed_in.user.invite_code}
    assert [(event.type, event.data) for event in told][1:] == [
        ("session.ended", {"user_id": str(idle.id), "session_id": str(old.id), "reason": "phone_changed"}),
        ("user.phone_changed", {"user_id": str(idle.id), "reason": "started_afresh"}),
        ("user.created", created),
        (
            "user.signed_in",
            {"user_id": created["user_id"], "session_id": str(signed_in.session.id), "is_new_user": True},
        ),
    ]
    assert '"attempts"' not in "".join(services.export_of(user=signed_in.user))


@pytest.mark.parametrize("used", ["seen", "registered", "signed in and purged"])
def test_what_was_used_of_late_is_not_asked_about(alice, used):
    if used == "seen":
        session = tokens.open_session(alice, BROWSER)
        age(alice)
        Session.objects.filter(id=session.id).update(seen_at=timezone.now() - timedelta(days=364))
    if used == "signed in and purged":
        tokens.open_session(alice, BROWSER)
        age(alice, days=364)
        age(alice, days=0)
        User.objects.update(created_at=F("created_at") - timedelta(days=100))
        call_command("purge", verbosity=0)
        assert not Session.objects.exists()
    assert not is_asked()


def test_a_purge_remembers_the_newest_and_never_goes_back(alice, bob):
    newest = timezone.now() - timedelta(days=100)
    for days, user in ((100, alice), (150, alice), (200, bob)):
        session = tokens.open_session(user, BROWSER)
        past = timezone.now() - timedelta(days=days)
        Session.objects.filter(id=session.id).update(created_at=past, seen_at=past, expires_at=past)
    Session.objects.filter(user=alice, seen_at__gt=newest - timedelta(days=1)).update(seen_at=newest)
    User.objects.filter(id=bob.id).update(seen_at=newest)
    call_command("purge", verbosity=0)
    assert list(User.objects.order_by("phone").values_list("seen_at", flat=True)) == [newest, newest]
    assert not Session.objects.exists()


@pytest.mark.parametrize("days", [364, 366])
def test_the_day_it_is_asked_from(alice, days):
    age(alice, days)
    assert is_asked() is (days > 365)


@pytest.mark.parametrize("who", [{"is_staff": True}, {"is_superuser": True}])
def test_an_administrators_account_is_never_given_away(idle, who):
    User.objects.update(**who)
    assert verify(code_to(), start_afresh=True).user == idle
    age(idle)
    assert not is_asked()


def test_who_is_switched_off_does_not_escape_by_starting_afresh(idle):
    User.objects.update(is_active=False)
    for answer in (None, False, True):
        with pytest.raises(errors.AccountDisabled):
            verify(code_to(), start_afresh=answer)
    assert User.objects.get().phone == ALICE


@pytest.mark.parametrize("answer", [True, False])
def test_an_answer_to_no_question_changes_nothing(alice, answer):
    assert verify(code_to(), start_afresh=answer).user == alice
    assert verify(code_to(BOB), start_afresh=answer).is_new_user


def test_the_operator_gives_it_a_number_again(idle, capsys, charlie, settings, caplog):
    settings.SERVICE_KEYS, settings.EVENTS_ARE_RECORDED = {"crm": "k" * 40}, True
    verify(code_to(), start_afresh=True)
    set_aside = User.objects.create(phone=None, is_active=False, invite_code="SETASD", set_aside_at=timezone.now())
    with pytest.raises(CommandError, match=str(errors.PhoneTaken.detail)):
        call_command("change_phone", str(idle.id), CHARLIE)
    call_command("change_phone", str(idle.id), NEW)
    assert capsys.readouterr().out == f"The number of {idle.id} is changed.\n"
    assert User.objects.get(id=set_aside.id).phone is None
    [*_, told] = events.after(0, limit=10)[0]
    assert (told.type, told.data) == ("user.phone_changed", {"user_id": str(idle.id), "reason": "given_back"})
    assert [record.facts for record in caplog.records if record.message == "phone_changed"] == [{"user": str(idle.id)}]
    signed_in = verify(code_to(NEW), start_afresh=False)
    assert (signed_in.user, signed_in.is_new_user) == (idle, False)
    assert signed_in.user.set_aside_at is None


@pytest.mark.parametrize("meanwhile", [{"phone": BOB, "is_active": True}, {}], ids=["got a number", "left"])
def test_nobody_gets_a_number_that_was_meant_for_who_they_were(idle, meanwhile):
    verify(code_to(), start_afresh=True)
    as_it_was = User.objects.get(id=idle.id)
    User.objects.filter(id=idle.id).update(set_aside_at=None, **meanwhile)
    with pytest.raises(errors.InvalidToken):
        services.set_phone(user=as_it_was, phone=NEW)
    assert User.objects.get(id=idle.id).phone == meanwhile.get("phone")


def test_who_has_left_gets_no_number_again(alice):
    services.delete_account(user=alice, **code_to())
    with pytest.raises(CommandError, match="has left"):
        call_command("change_phone", str(alice.id), NEW)
    assert User.objects.get().phone is None


# --- At once -------------------------------------------------------------------------------------------------------


def outcome(results: list) -> dict[str, int]:
    names = [type(result).__name__ for result in results]
    return {name: names.count(name) for name in sorted(set(names))}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", ROUNDS)
def test_of_many_who_start_afresh_at_once_one_account_comes(idle, round_):
    codes = [code_to() for _ in range(3)]
    found = at_once(MANY, lambda number: verify(codes[number % 3], start_afresh=True))
    assert set(outcome(found)) <= {"SignIn", "InvalidCode"}
    owner = User.objects.get(phone=ALICE)
    assert owner != idle
    assert {result.user.id for result in found if isinstance(result, services.SignIn)} == {owner.id}
    assert (User.objects.count(), User.objects.get(id=idle.id).phone) == (2, None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", ROUNDS)
def test_of_the_owner_and_somebody_new_at_once_the_first_decides(idle, round_):
    """And of somebody who has not been asked yet."""
    codes, answers = [code_to() for _ in range(3)], (True, False, None)
    found = at_once(MANY, lambda number: verify(codes[number % 3], start_afresh=answers[number % 3]))
    assert set(outcome(found)) <= {"SignIn", "InvalidCode", "AccountIdle"}
    owner, kept = User.objects.get(phone=ALICE), User.objects.get(id=idle.id).phone == ALICE
    signed_in = {result.user.id for result in found if isinstance(result, services.SignIn)}
    assert signed_in == {owner.id}
    assert User.objects.count() == (1 if kept else 2)
    assert set(tokens.live_sessions().values_list("user_id", flat=True)) == {owner.id}
