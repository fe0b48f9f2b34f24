import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import F
from django.utils import timezone

from tests.support.people import ALICE, BOB
from users import errors, services, tokens
from users.models import Activation, Challenge, CodeFailure, InviteFailure, InviteOpening, Session, User
from users.rates import parse
from users.services import account

pytestmark = pytest.mark.django_db


def leave(user, browser):
    sent = services.request_code(phone=user.phone, client=browser)
    services.delete_account(user=user, code=sent.otp, challenge=sent.challenge)


def whole_database() -> str:
    """Every value of every row, as text."""
    with connection.cursor() as cursor:
        return "\n".join(
            repr(row)
            for table in connection.introspection.table_names()
            for _ in [cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")]  # noqa: S608
            for row in cursor.fetchall()
        )


def test_after_leaving_the_number_is_gone_and_the_inviters_list_keeps_an_entry(alice, bob, charlie, browser):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.activate_invite(user=charlie, invite_code=bob.invite_code)
    access = tokens.issue(tokens.open_session(bob, browser)).access
    User.objects.filter(id=bob.id).update(invite_opened=2)
    InviteOpening.objects.create(inviter=bob, day=timezone.now().date(), times=2)
    assert BOB in whole_database()

    leave(bob, browser)

    assert BOB not in whole_database()
    bob.refresh_from_db()
    assert (bob.invite_opened, bob.openings.count()) == (0, 0)
    profile = services.profile_of(user=alice)
    assert [referral.phone for referral in services.referrals(user=alice).items] == ["***"]
    assert profile.referrals_count == 1
    assert services.profile_of(user=charlie).activated_invite_code == bob.invite_code
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {access}")
    with pytest.raises(errors.NotFound):
        services.user_profile(viewer=alice, user_id=str(bob.id))
    with pytest.raises(errors.InviteNotFound):
        services.activate_invite(user=alice, invite_code=bob.invite_code)


def test_leaving_needs_a_fresh_code_of_ones_own(alice, bob, browser):
    bobs = services.request_code(phone=BOB, client=browser)
    with pytest.raises(errors.InvalidCode):
        services.delete_account(user=alice, code=bobs.otp, challenge=bobs.challenge)
    with pytest.raises(errors.ChallengeRequired):
        services.delete_account(user=alice, code="0000", challenge=None)
    assert User.objects.get(id=alice.id).phone == ALICE


def test_coming_back_is_a_new_account_but_the_number_has_had_its_one_activation(alice, bob, browser):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    leave(bob, browser)
    again, is_new = User.objects.get_or_register(BOB)
    assert is_new
    assert again.id != bob.id
    with pytest.raises(errors.InviteAlreadyActivated):
        services.activate_invite(user=again, invite_code=alice.invite_code)
    assert Activation.objects.count() == 1


def test_leaving_resets_no_limit(alice, browser, settings):
    settings.OTP_SENDS_PER_PHONE = parse("2/h")
    services.request_code(phone=ALICE, client=browser)
    leave(alice, browser)
    with pytest.raises(errors.TooManyRequests):
        services.request_code(phone=ALICE, client=browser)


def exported(user) -> dict:
    return json.loads("".join(services.export_of(user=user)))


def as_json(value):
    return json.loads(json.dumps(value, cls=DjangoJSONEncoder))


def test_an_export_holds_everything_we_keep(alice, bob, charlie, browser):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.activate_invite(user=charlie, invite_code=bob.invite_code)
    used = services.request_code(phone=BOB, client=browser)
    services.verify_code(code=used.otp, challenge=used.challenge, client=browser)
    services.request_code(phone=BOB, client=replace(browser, address="198.51.100.7"))
    today = timezone.now().date()
    InviteOpening.objects.create(inviter=bob, day=today, times=2)

    kept = exported(bob)

    came, invited = Activation.objects.get(invitee=bob), Activation.objects.get(invitee=charlie)
    session, strangers, own = Session.objects.get(user=bob), *Challenge.objects.order_by("-created_at")
    assert kept == as_json(
        {
            "id": bob.id,
            "phone_number": BOB,
            "invite_code": bob.invite_code,
            "registered_at": bob.created_at,
            "seen_at": None,
            "activated": {"invite_code": alice.invite_code, "inviter": "+7 913 ***-**-00", "at": came.created_at},
            "invite_openings": [{"day": today, "times": 2}],
            "referrals": [{"phone_number": charlie.phone, "at": invited.created_at}],
            "sessions": [
                {
                    "address": browser.address,
                    "user_agent": browser.user_agent,
                    "created_at": session.created_at,
                    "seen_at": session.seen_at,
                    "refreshed_at": session.refreshed_at,
                    "ended_at": None,
                }
            ],
            "codes": [
                {"address": None, "created_at": strangers.created_at, "attempts": 0, "used_at": None},
                {"address": browser.address, "created_at": own.created_at, "attempts": 1, "used_at": own.used_at},
            ],
        }
    )


def test_an_export_of_many_comes_in_pieces(alice, monkeypatch):
    monkeypatch.setattr(account, "REFERRALS_A_PIECE", 10)
    numbers = [f"+79261230{number:03}" for number in range(25)]
    for number in numbers:
        services.activate_invite(user=User.objects.get_or_register(number)[0], invite_code=alice.invite_code)
    pieces = services.export_of(user=alice)
    assert [piece.count("+7926") for piece in pieces] == [0, 10, 10, 5, 0]
    assert [person["phone_number"] for person in exported(alice)["referrals"]] == numbers[::-1]


def test_an_export_names_nobody_who_has_left(alice, bob, charlie, browser):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.activate_invite(user=charlie, invite_code=bob.invite_code)
    for gone in (alice, charlie):
        leave(gone, browser)

    kept = exported(bob)

    assert kept["activated"]["inviter"] is None
    assert [referral["phone_number"] for referral in kept["referrals"]] == [None]


def test_a_purge_deletes_what_has_been_of_no_use_for_30_days(alice, browser, capsys):
    for _ in range(2):
        services.request_code(phone=ALICE, client=browser)
        tokens.open_session(alice, browser)
        InviteFailure.objects.create(user=alice)
    month = timedelta(days=30, seconds=1)
    for model in (Challenge, InviteFailure, Session):
        first = model.objects.order_by("created_at").first()
        model.objects.filter(id=first.id).update(created_at=F("created_at") - month)
    Session.objects.filter(id=Session.objects.order_by("created_at").first().id).update(
        ended_at=F("created_at"), expires_at=F("created_at")
    )
    call_command("purge")
    assert [model.objects.count() for model in (Challenge, InviteFailure, Session)] == [1, 1, 1]
    assert capsys.readouterr().out.startswith("challenges: 1\n")


def test_a_purge_keeps_a_year_of_wrong_codes_or_as_much_as_a_limit_counts(alice, browser, settings):
    year = timedelta(days=365)
    CodeFailure.objects.create(phone_key="k", address=browser.address)
    old = CodeFailure.objects.create(phone_key="k", address=browser.address)
    CodeFailure.objects.filter(id=old.id).update(created_at=F("created_at") - year - timedelta(seconds=1))
    settings.OTP_FAILURES_PER_PHONE = parse("20/400d")
    call_command("purge", verbosity=0)
    assert CodeFailure.objects.count() == 2
    settings.OTP_FAILURES_PER_PHONE = parse("20/365d")
    call_command("purge", verbosity=0)
    assert CodeFailure.objects.count() == 1


def test_a_purge_leaves_a_session_that_still_works(alice, browser):
    session = tokens.open_session(alice, browser)
    Session.objects.update(created_at=F("created_at") - timedelta(days=300))
    call_command("purge", verbosity=0)
    assert tokens.resume(str(session.id)) == alice
