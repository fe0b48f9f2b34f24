import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory

from project.sessions import SessionStore

pytestmark = pytest.mark.django_db


def refuse_updates(execute, sql, params, many, context):
    if sql.startswith("UPDATE"):
        raise OperationalError("canceling statement due to lock timeout")
    return execute(sql, params, many, context)


def test_a_database_that_does_not_answer_is_not_taken_for_a_deleted_session():
    store = SessionStore()
    store.save(must_create=True)

    def put_something_in(request):
        request.session["next"] = "/profile/"
        return HttpResponse()

    request = RequestFactory().get("/", headers={"Cookie": f"sessionid={store.session_key}"})
    with connection.execute_wrapper(refuse_updates), pytest.raises(OperationalError):
        SessionMiddleware(put_something_in)(request)


def test_a_session_that_was_deleted_meanwhile_still_is_one():
    store = SessionStore()
    store.save(must_create=True)
    SessionStore(store.session_key).delete()
    store["next"] = "/profile/"
    with pytest.raises(UpdateError):
        store.save()
