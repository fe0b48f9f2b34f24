"""What a resolver ends in is told in REST's words, and nothing that was not meant for the caller."""

import logging
from contextlib import suppress

import pytest
from django.db import DataError, InterfaceError, OperationalError

from users import errors, services
from users.errors import DomainError

LOGOUT = "mutation { logout { ok } }"


def every(kind: type) -> list[type]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every(child))]


NO = ["No."]
CARRIED_AND_SHOWN = [
    ({}, {}),
    ({"retry_after": 7}, {"retryAfter": 7}),
    ({"attempts_left": 2}, {"attemptsLeft": 2}),
    (
        {"fields": {"code": NO, "invite_code": NO, "phone": NO, "cursor": NO}},
        {"fields": {"code": NO, "inviteCode": NO, "phoneNumber": NO, "after": NO}},
    ),
]


def make(kind: type[DomainError]) -> tuple[DomainError, dict]:
    """The error with whatever it must carry, and how that must be shown."""
    for carried, shown in CARRIED_AND_SHOWN:
        with suppress(TypeError):
            return kind(**carried), shown
    raise AssertionError(kind)


KINDS = [kind for kind in every(DomainError) if hasattr(kind, "code") and kind.__module__ == errors.__name__]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_the_code_and_status_of_rest(as_user, alice, monkeypatch, kind):
    error, shown = make(kind)

    def refuse(**_):
        raise error

    monkeypatch.setattr(services, "logout", refuse)
    response = as_user(alice).run(LOGOUT)
    assert response.status_code == 200
    assert response.json() == {
        "data": {"logout": None},
        "errors": [
            {
                "message": str(kind.detail),
                "locations": [{"line": 1, "column": 12}],
                "path": ["logout"],
                "extensions": {"code": kind.code, "status": kind.status, **shown},
            }
        ],
    }


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [RuntimeError, DataError, KeyError, AssertionError])
def test_an_exception_nobody_expected_is_masked_and_logged_without_its_text(as_user, alice, monkeypatch, caplog, kind):
    text = "Key (phone)=(+79136740000) and the code 0421"

    def fail(**_):
        raise kind(text)

    monkeypatch.setattr(services, "logout", fail)
    with caplog.at_level(logging.ERROR):
        response = as_user(alice).run(LOGOUT)
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "server_error", "status": 500}
    assert error["message"] == "Something went wrong on our side."
    [record] = caplog.records
    assert kind.__name__ in record.getMessage()
    assert "resolve_logout" in record.getMessage()
    for secret in ("+79136740000", "0421"):
        assert secret not in response.content.decode()
        assert secret not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_is_service_unavailable(as_user, alice, monkeypatch, caplog, kind):
    def fail(**_):
        raise kind("connection for +79136740000 refused")

    monkeypatch.setattr(services, "logout", fail)
    response = as_user(alice).run(LOGOUT)
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "service_unavailable", "status": 503, "retryAfter": 1}
    assert "+79136740000" not in response.content.decode() + caplog.text


@pytest.mark.django_db
def test_a_value_that_does_not_fit_its_type_is_our_mistake(as_user, alice, monkeypatch, caplog):
    monkeypatch.setattr("schema.types.Caller.__init__", lambda self, context: setattr(self, "invite_code", object()))
    [error] = as_user(alice).run("{ me { inviteCode } }").json()["errors"]
    assert error["extensions"] == {"code": "server_error", "status": 500}
    assert "object at 0x" not in error["message"] + caplog.text
