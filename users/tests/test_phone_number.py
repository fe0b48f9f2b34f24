"""Changing one's number: who may, what stays, what ends, and who has the old one next."""

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from tests.support.people import ALICE, BOB, CHARLIE, wrong
from users import errors, events, services, tokens
from users.models import Activation, Challenge, InvitedNumber, Session, User

pytestmark = pytest.mark.django_db
NEW, NEWER = "+79161112233", "+79161112244"
NOTICE = "Zovi: the number of your account has been changed. If that was not you, write to us at once."


@pytest.fixture
def me(alice, browser) -> User:
    """Alice, who has just signed in."""
    alice.session = tokens.open_session(alice, browser)
    return alice


def code_to(phone, browser) -> dict[str, str]:
    sent = services.request_code(phone=phone, client=browser)
    return {"code": sent.otp, "challenge": sent.challenge}


def change(user, phone, browser) -> User:
    return services.change_phone(user=user, client=browser, **code_to(phone, browser))


def sign_in(phone, browser) -> services.SignIn:
    return services.verify_code(client=browser, **code_to(phone, browser))


def state() -> list:
    """What a refusal leaves as it was."""
    people = User.objects.order_by("id").values("id", "phone", "is_active")
    return [*people, *Session.objects.order_by("id").values("id", "ended_at"), *InvitedNumber.objects.values()]


def test_the_account_goes_on_under_the_new_number(me, bob, charlie, browser, sms_outbox):
    Activation.objects.create(invitee=me, inviter=bob)
    Activation.objects.create(invitee=charlie, inviter=me)
    other, code, id_ = tokens.open_session(me, browser), me.invite_code, me.id
    assert change(me, NEW, browser).phone == NEW
    profile = services.profile_of(user=me)
    assert (profile.id, profile.phone, profile.invite_code) == (id_, NEW, code)
    assert (profile.activated_invite_code, profile.phones) == (bob.invite_code, [CHARLIE])
    assert services.profile_of(user=bob).phones == [NEW]
    assert list(tokens.live_sessions()) == [me.session]
    assert other not in tokens.live_sessions()
    assert [phone for phone, _ in sms_outbox] == [NEW, ALICE]
    assert sms_outbox[-1][1] == NOTICE
    again = sign_in(NEW, browser)
    assert (again.user.id, again.is_new_user) == (id_, False)


def test_a_gateway_that_refuses_the_notice_stops_nothing(me, browser, refusing_gateway, caplog):
    code = code_to(NEW, browser)
    with refusing_gateway:
        services.change_phone(user=me, client=browser, **code)
    assert User.objects.get(id=me.id).phone == NEW
    assert "notice_not_sent" in caplog.messages
    assert ALICE not in caplog.text


def test_the_old_numbers_next_owner_is_somebody_new_and_may_not_be_invited_again(me, bob, charlie, browser):
    services.activate_invite(user=me, invite_code=bob.invite_code)
    services.request_code(phone=ALICE, client=browser)
    change(me, NEW, browser)
    next_owner = sign_in(ALICE, browser)
    assert next_owner.is_new_user
    assert next_owner.user.id != me.id
    assert not services.may_activate(user=next_owner.user)
    with pytest.raises(errors.InviteAlreadyActivated):
        services.activate_invite(user=next_owner.user, invite_code=charlie.invite_code)
    assert Activation.objects.count() == 1
    kept = "".join(services.export_of(user=next_owner.user))
    assert kept.count('"attempts"') == 1, "nothing of what was sent to the old owner"


def test_a_number_that_entered_no_code_may_enter_one_under_its_next_owner(me, bob, browser):
    change(me, NEW, browser)
    services.activate_invite(user=me, invite_code=bob.invite_code)
    next_owner = sign_in(ALICE, browser).user
    services.activate_invite(user=next_owner, invite_code=bob.invite_code)
    assert Activation.objects.count() == 2


def test_once_for_ever_holds_through_a_change_and_leaving(me, bob, charlie, browser):
    services.activate_invite(user=me, invite_code=bob.invite_code)
    change(me, NEW, browser)
    services.delete_account(user=me, **code_to(NEW, browser))
    for phone in (ALICE, NEW):
        with pytest.raises(errors.InviteAlreadyActivated):
            services.activate_invite(user=sign_in(phone, browser).user, invite_code=charlie.invite_code)
    assert (Activation.objects.count(), InvitedNumber.objects.count()) == (1, 2)


def test_whoever_comes_back_to_their_number_has_what_they_entered(me, bob, charlie, browser):
    services.activate_invite(user=me, invite_code=bob.invite_code)
    change(me, NEW, browser)
    change(me, ALICE, browser)
    services.activate_invite(user=me, invite_code=bob.invite_code)
    with pytest.raises(errors.InviteAlreadyActivated):
        services.activate_invite(user=me, invite_code=charlie.invite_code)
    assert Activation.objects.count() == 1


def test_nobody_evades_it_by_moving_an_account_to_a_number_that_was_invited(me, bob, charlie, browser):
    bob.session = tokens.open_session(bob, browser)
    services.activate_invite(user=bob, invite_code=charlie.invite_code)
    change(bob, NEW, browser)
    change(me, BOB, browser)
    with pytest.raises(errors.InviteAlreadyActivated):
        services.activate_invite(user=me, invite_code=charlie.invite_code)
    assert Activation.objects.count() == 1


def test_somebodys_number_is_taken_and_only_the_right_code_tells(me, bob, browser, sms_outbox):
    before = state()
    code = code_to(BOB, browser)
    with pytest.raises(errors.InvalidCode) as refused:
        services.change_phone(user=me, client=browser, **code | {"code": wrong(code["code"])})
    assert refused.value.extra == {"attempts_left": 2}
    with pytest.raises(errors.PhoneTaken):
        services.change_phone(user=me, client=browser, **code)
    assert state() == before
    assert [phone for phone, _ in sms_outbox] == [BOB]


def test_a_session_older_than_ten_minutes_must_sign_in_again_and_costs_no_try(me, browser):
    Session.objects.update(created_at=F("created_at") - timedelta(minutes=10, seconds=1))
    me.session.refresh_from_db()
    before, code = state(), code_to(NEW, browser)
    with pytest.raises(errors.RecentSignInRequired):
        services.change_phone(user=me, client=browser, **code)
    assert (state(), Challenge.objects.get().attempts) == (before, 0)


def test_a_session_of_nine_minutes_will_do(me, browser):
    Session.objects.update(created_at=F("created_at") - timedelta(minutes=9))
    me.session.refresh_from_db()
    assert change(me, NEW, browser).phone == NEW


def test_an_administrators_number_does_not_change_by_a_code(me, browser):
    User.objects.update(is_staff=True)
    me.refresh_from_db()
    before, code = state(), code_to(NEW, browser)
    with pytest.raises(errors.Forbidden):
        services.change_phone(user=me, client=browser, **code)
    assert (state(), Challenge.objects.get().attempts) == (before, 0)


def test_ones_own_number_changes_nothing_and_nobody_is_told(me, browser, sms_outbox):
    tokens.open_session(me, browser)
    before = state()
    assert change(me, ALICE, browser).phone == ALICE
    assert state() == before
    assert [phone for phone, _ in sms_outbox] == [ALICE]


def test_a_session_of_before_another_change_is_good_for_none(me, browser):
    stale = User.objects.get(id=me.id)
    stale.session = tokens.open_session(me, browser)
    change(me, NEW, browser)
    with pytest.raises(errors.InvalidToken):
        change(stale, NEWER, browser)
    assert User.objects.get(id=me.id).phone == NEW


def test_a_change_is_told_without_the_number(me, browser, settings):
    settings.SERVICE_KEYS, settings.EVENTS_ARE_RECORDED = {"crm": "k" * 40}, True
    other = tokens.open_session(me, browser)
    change(me, NEW, browser)
    told, _ = events.after(0, limit=10)
    assert [(event.type, event.data) for event in told] == [
        ("session.ended", {"user_id": str(me.id), "session_id": str(other.id), "reason": "phone_changed"}),
        ("user.phone_changed", {"user_id": str(me.id)}),
    ]


def test_the_operator_changes_a_number_by_a_command(me, bob, sms_outbox, capsys, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        call_command("change_phone", "8 913 674-00-00", "8 916 111-22-33")
    assert User.objects.get(id=me.id).phone == NEW
    assert capsys.readouterr().out == f"The number of {me.id} is changed.\n"
    assert not tokens.live_sessions().exists()
    assert sms_outbox == [(ALICE, NOTICE)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (CHARLIE, NEW, "nobody has this number"),
        ("x", NEW, "nobody has this number"),
        (ALICE, BOB, str(errors.PhoneTaken.detail)),
        (ALICE, "12", str(errors.InvalidPhone.detail)),
    ],
)
def test_the_command_says_in_a_line_what_is_wrong(me, bob, sms_outbox, old, new, words):
    before = state()
    with pytest.raises(CommandError, match=re.escape(words)):
        call_command("change_phone", old, new)
    assert (state(), sms_outbox) == (before, [])
