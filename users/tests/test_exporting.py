"""CSV that PostgreSQL streams, which import_users reads again; and check_data, which finds each wrong row."""

import csv
import errno
import io
import re
import stat
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from project.env import ROOT
from tests.support.people import ALICE, BOB
from users import services
from users.management.commands.export_users import Command
from users.models import Challenge, Session, User
from users.services import checking, exporting

pytestmark = pytest.mark.django_db


def rows(export) -> list[dict[str, str]]:
    written = io.BytesIO()
    count = export(into=written)
    found = list(csv.DictReader(io.StringIO(written.getvalue().decode())))
    assert count == len(found)
    return found


def test_everybody_is_written_with_who_invited_them(alice, bob, charlie):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    User.objects.filter(id=alice.id).update(invite_opened=3)
    User.objects.filter(id=charlie.id).update(phone=None, is_active=False)
    found = [list(row.values()) for row in rows(exporting.export_users)]
    assert [row[:3] + row[4:] for row in found] == [
        [ALICE, alice.invite_code, "", "1", "3"],
        [BOB, bob.invite_code, alice.invite_code, "0", "0"],
    ]


def test_referrals_are_written_in_their_order(alice, bob):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    [row] = rows(exporting.export_referrals)
    activated_at = row.pop("activated_at")
    assert activated_at.endswith("Z")
    assert row == {
        "inviter_phone": ALICE,
        "inviter_code": alice.invite_code,
        "phone": BOB,
        "invite_code": bob.invite_code,
    }


@pytest.mark.parametrize("export", [exporting.export_users, exporting.export_referrals])
def test_what_is_exported_never_lies_in_memory(export, transactional_db):
    """PostgreSQL hands it over in pieces of a row or so, however many there are."""
    call_command("seed_demo", users=3000, referrals=2000, verbosity=0, stdout=io.StringIO())
    pieces = []
    into = mock.Mock(write=lambda piece: pieces.append(len(piece)))
    assert export(into=into) >= 2900
    assert len(pieces) >= 2900
    assert max(pieces) < 300


def test_what_is_exported_can_be_imported(alice, bob, tmp_path):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    path, said = tmp_path / "people.csv", io.StringIO()
    call_command("export_users", str(path), stdout=said)
    assert said.getvalue() == f"2 rows in {path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="File exists"):
        call_command("export_users", str(path))
    before = list(User.objects.values("phone", "invite_code", "created_at", "referrals_count").order_by("phone"))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM users_activation; DELETE FROM users_user")
    call_command("import_users", str(path), stdout=io.StringIO(), stderr=io.StringIO())
    assert (
        list(User.objects.values("phone", "invite_code", "created_at", "referrals_count").order_by("phone")) == before
    )


def wrong() -> dict[str, int]:
    return {checked.what: checked.wrong for checked in checking.check_data() if checked.wrong}


def test_data_that_are_right_are_said_to_be(alice, bob, browser):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    services.request_code(phone=ALICE, client=browser)
    assert wrong() == {}


def test_half_a_file_is_not_left_behind(alice, tmp_path, monkeypatch):
    def fill(into) -> int:
        into.write(b"phone")
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "people.csv"
    with monkeypatch.context() as full:
        full.setattr(Command, "export", staticmethod(fill))
        with pytest.raises(CommandError, match="cannot be written: No space left on device"):
            call_command("export_users", str(path))
    assert not path.exists()
    call_command("export_users", str(path), stdout=io.StringIO())
    assert ALICE in path.read_text()


BREAKS = {
    "the number of people who came, on each user": "UPDATE users_user SET referrals_count = 7",
    "the number of who came, on each activation": """SET CONSTRAINTS ALL IMMEDIATE;
        ALTER TABLE users_activation DISABLE TRIGGER activation_has_phone;
        UPDATE users_activation SET invitee_phone = '+79990000000';
        ALTER TABLE users_activation ENABLE TRIGGER activation_has_phone""",
    "that every trigger of ours is on": """SET CONSTRAINTS ALL IMMEDIATE;
        ALTER TABLE users_user DISABLE TRIGGER user_changes_phone""",
    "the number of openings of a link, on each user": """INSERT INTO users_inviteopening (inviter_id, day, times)
        SELECT id, '2026-11-26', 3 FROM users_user""",
    checking.OF_PEPPER: "UPDATE users_challenge SET phone_key = 'x'",
    "that nobody who has left is signed in": "UPDATE users_user SET is_active = false",
}


@pytest.mark.parametrize("what", BREAKS)
def test_each_wrong_row_is_found(what, alice, bob, browser):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    sent = services.request_code(phone=ALICE, client=browser)
    services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)
    with connection.cursor() as cursor:
        cursor.execute(BREAKS[what])
    assert set(wrong()) == {what}
    said = io.StringIO()
    with pytest.raises(CommandError, match="rows are wrong"):
        call_command("check_data", stdout=said)
    assert f"{what}: {wrong()[what]} WRONG" in said.getvalue()
    assert Challenge.objects.count() == Session.objects.count() == 1


def test_the_recipe_of_the_documents_mends_counts_and_copies(alice, bob):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    [recipe] = re.findall(
        r"```sql\n(UPDATE users_user.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL
    )
    with connection.cursor() as cursor:
        for what in list(BREAKS)[:2]:
            cursor.execute(BREAKS[what])
        assert set(wrong()) == set(list(BREAKS)[:2])
        cursor.execute(recipe)
    assert wrong() == {}
