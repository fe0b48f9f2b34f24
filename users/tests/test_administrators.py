"""Administrators are made and given passwords on the command line, by a number as people write it."""

import pytest
from django.core.management import CommandError, call_command

from users.models import User

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def typed(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    monkeypatch.setattr("getpass.getpass", lambda **_: PASSWORD)


@pytest.mark.parametrize("written", ["+79136740000", "8 (913) 674-00-00"])
def test_somebody_who_signed_in_by_sms_becomes_an_administrator(alice, written):
    call_command("createsuperuser", interactive=False, phone=written, verbosity=0)
    admin = User.objects.get()
    assert (admin.id, admin.invite_code) == (alice.id, alice.invite_code)
    assert (admin.is_staff, admin.is_superuser, admin.check_password(PASSWORD)) == (True, True, True)


@pytest.mark.parametrize("written", ["+79136740000", "8 (913) 674-00-00"])
def test_a_password_is_changed_by_a_number_in_any_usual_form(alice, bob, written):
    call_command("changepassword", written, verbosity=0)
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.check_password(PASSWORD), alice.is_staff) == (True, False)
    assert bob.check_password(PASSWORD) is False


@pytest.mark.parametrize("written", ["8 913 674-00-12", "12", "root"])
def test_a_number_that_nobody_has_is_refused_without_being_named(alice, written):
    with pytest.raises(CommandError) as refused:
        call_command("changepassword", written)
    assert str(refused.value) == "nobody has this number"
