import pytest
from django.db import IntegrityError, transaction

from tests.support.people import ALICE, BOB
from users import errors, services
from users.models import Activation, User

pytestmark = pytest.mark.django_db


def test_an_invite_code_is_activated_and_its_owner_sees_the_full_number(alice, bob):
    activated = services.activate_invite(user=bob, invite_code=alice.invite_code.lower())

    assert activated == services.ActivatedInvite(alice.invite_code, "+7 913 ***-**-00")
    assert services.profile_of(user=bob).activated_invite_code == alice.invite_code
    profile = services.profile_of(user=alice)
    assert profile.phones == [BOB]
    assert profile.referrals_count == 1
    assert profile.activated_invite_code is None


def test_the_same_code_again_changes_nothing(alice, bob):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    [before] = Activation.objects.values()
    activated = services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert activated == services.ActivatedInvite(alice.invite_code, "+7 913 ***-**-00")
    assert list(Activation.objects.values()) == [before]


def test_another_code_is_a_conflict(alice, bob, charlie):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    with pytest.raises(errors.InviteAlreadyActivated):
        services.activate_invite(user=bob, invite_code=charlie.invite_code)
    assert Activation.objects.get().inviter == alice


def test_ones_own_code_is_refused(alice):
    with pytest.raises(errors.OwnInvite):
        services.activate_invite(user=alice, invite_code=alice.invite_code)
    assert not Activation.objects.exists()


def test_a_code_nobody_has_is_refused(alice):
    unused = "222222" if alice.invite_code != "222222" else "333333"
    with pytest.raises(errors.InviteNotFound):
        services.activate_invite(user=alice, invite_code=unused)
    assert not Activation.objects.exists()


def test_the_code_of_somebody_switched_off_is_nobodys(alice, bob):
    User.objects.filter(id=alice.id).update(is_active=False)
    with pytest.raises(errors.InviteNotFound):
        services.activate_invite(user=bob, invite_code=alice.invite_code)


def test_two_people_may_name_each_other(alice, bob):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.activate_invite(user=alice, invite_code=bob.invite_code)
    assert Activation.objects.count() == 2


def test_the_phone_sent_along_must_be_the_callers(alice, bob):
    with pytest.raises(errors.NotYourPhone):
        services.activate_invite(user=bob, invite_code=alice.invite_code, phone=ALICE)
    assert not Activation.objects.exists()
    assert services.activate_invite(user=bob, invite_code=alice.invite_code, phone="8 (913) 674-00-12")


def test_the_database_refuses_what_the_code_would_have_let_through(alice, bob, charlie):
    Activation.objects.create(invitee=bob, inviter=alice)
    for wrong in (Activation(invitee=bob, inviter=charlie), Activation(invitee=alice, inviter=alice)):
        with pytest.raises(IntegrityError), transaction.atomic():
            wrong.save()
    for column, value in (("phone", "89136740000"), ("invite_code", "abc234"), ("invite_code", bob.invite_code)):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(id=alice.id).update(**{column: value})


def test_an_invite_code_never_changes(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(id=alice.id).update(invite_code="ZZZZZZ" if alice.invite_code != "ZZZZZZ" else "YYYYYY")
    User.objects.filter(id=alice.id).update(invite_code=alice.invite_code)


def test_an_activation_never_changes(alice, bob, charlie):
    Activation.objects.create(invitee=bob, inviter=alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        Activation.objects.update(inviter=charlie)


def test_ones_own_page_shows_everything_and_anothers_masks_every_number(alice, bob):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert services.user_profile(viewer=alice, user_id=str(alice.id)) == services.profile_of(user=alice)

    seen = services.user_profile(viewer=bob, user_id=str(alice.id))
    assert seen.phone == "+7 913 ***-**-00"
    assert seen.phones == ["+7 913 ***-**-12"]
    assert seen.invite_code == alice.invite_code
    assert ALICE not in repr(seen)
    assert BOB not in repr(seen)


@pytest.mark.parametrize("user_id", ["", "me", "\x00", "1", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_page_is_not_found(alice, user_id):
    with pytest.raises(errors.NotFound):
        services.user_profile(viewer=alice, user_id=user_id)


@pytest.fixture
def inviter_of_five(alice):
    for number in range(5):
        invitee, _ = User.objects.get_or_register(f"+7913000000{number}")
        services.activate_invite(user=invitee, invite_code=alice.invite_code)
    return alice


def last_digits(page):
    return [item.phone[-1] for item in page.items]


def test_pages_go_from_newest_to_oldest_and_back(inviter_of_five):
    first = services.referrals(user=inviter_of_five, first=2)
    second = services.referrals(user=inviter_of_five, first=2, cursor=first.next)
    third = services.referrals(user=inviter_of_five, first=2, cursor=second.next)
    assert [last_digits(page) for page in (first, second, third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert (first.previous, third.next) == (None, None)

    back = services.referrals(user=inviter_of_five, first=2, cursor=third.previous)
    again = services.referrals(user=inviter_of_five, first=2, cursor=back.previous)
    assert (last_digits(back), last_digits(again)) == (["2", "1"], ["4", "3"])
    assert again.previous is None
    assert back == second


def test_somebody_who_comes_meanwhile_shifts_no_page(inviter_of_five):
    first = services.referrals(user=inviter_of_five, first=2)
    late, _ = User.objects.get_or_register("+79130000009")
    services.activate_invite(user=late, invite_code=inviter_of_five.invite_code)
    assert last_digits(services.referrals(user=inviter_of_five, first=2, cursor=first.next)) == ["2", "1"]


@pytest.mark.parametrize("cursor", ["x", "\x00", "ы", "PDE=", "PC0x", "P" * 5000, "PDk5OTk5OTk5OTk5OTk5OTk5OTk5OQ"])
def test_a_cursor_that_is_not_ours_is_refused(alice, cursor):
    with pytest.raises(errors.InvalidInput) as refused:
        services.referrals(user=alice, cursor=cursor)
    assert list(refused.value.extra["fields"]) == ["cursor"]


def test_a_model_shows_no_phone_when_printed(alice):
    assert ALICE not in f"{alice} {alice!r}"


def test_somebody_elses_list_goes_on_page_by_page_masked(alice, bob):
    for number in range(3):
        newcomer, _ = User.objects.get_or_register(f"+7926123456{number}")
        services.activate_invite(user=newcomer, invite_code=alice.invite_code)

    first = services.user_referrals(viewer=bob, user_id=str(alice.id), first=2)
    rest = services.user_referrals(viewer=bob, user_id=str(alice.id), first=2, cursor=first.next)

    assert [item.phone for item in first.items] == ["+7 926 ***-**-62", "+7 926 ***-**-61"]
    assert [item.phone for item in rest.items] == ["+7 926 ***-**-60"]
    assert (rest.next, first.previous) == (None, None)


def test_nobody_who_is_switched_off_has_a_list(alice, bob):
    User.objects.filter(id=alice.id).update(is_active=False)
    for user_id in (str(alice.id), "nobody", ""):
        with pytest.raises(errors.NotFound):
            services.user_referrals(viewer=bob, user_id=user_id)
