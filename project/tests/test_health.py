import threading

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from project import health

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_living_process_is_live_whatever_the_database_does(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_means_the_database_answers_and_is_migrated(client):
    assert client.get("/readyz").status_code == 200


def test_a_missing_migration_is_not_ready(client):
    MigrationRecorder(connection).record_unapplied("users", "0001_initial")
    answer = client.get("/readyz")
    MigrationRecorder(connection).record_applied("users", "0001_initial")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer.json()["code"] == "service_unavailable"


def test_a_database_that_hangs_is_not_waited_for(client, monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(health, "_can_serve", lambda: answered.wait(timeout=300))
    assert client.get("/readyz").status_code == 503
    answered.set()


@pytest.fixture(autouse=True)
def a_busy_machine_counts_as_ready(monkeypatch, request):
    if "hangs" not in request.node.name:
        monkeypatch.setattr(health, "READY_WITHIN_SECONDS", 300)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_need_not_know_the_name_of_the_site(client, settings, path):
    settings.ALLOWED_HOSTS = ["zovi.example"]
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/api/users/me/", headers={"Host": "10.1.2.3:8000"}, secure=True).status_code == 400
