"""PostgreSQL has no room left: it refuses what writes (SQLSTATE 53100), and answers what reads."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client as Browser

from tests.support.live import code_on
from tests.support.people import ALICE, BOB
from users.models import Challenge, Session

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def full_disk():
    tables = [name for name in connection.introspection.table_names() if name.startswith(("users_", "django_session"))]
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"""
        )
        for table in tables:
            cursor.execute(
                f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION no_room()"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION no_room() CASCADE")


def test_what_writes_is_503_what_reads_goes_on_and_all_recovers_by_itself(api):
    browser = Browser()
    told = browser.post("/send-code/", {"phone": ALICE}, follow=True).content.decode()
    browser.post("/verify-code/", {"code": code_on(told)})
    Session.objects.update(seen_at=Now() - timedelta(hours=1))
    sent = api.post("/api/users/send_otp/", {"phone_number": BOB}).json()
    signed_in = api.post("/api/users/auth/", {"otp": sent["otp"]}).json()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {signed_in['token']}")
    codes = Challenge.objects.count()

    with full_disk():
        for path, body in [
            ("send_otp/", {"phone_number": ALICE}),
            ("token/refresh/", {"refresh_token": signed_in["refresh_token"]}),
        ]:
            refused = api.post(f"/api/users/{path}", body)
            assert (refused.status_code, refused["Retry-After"]) == (503, "1")
            assert refused.json()["code"] == "service_unavailable"
        assert browser.get("/profile/").status_code == 200
        assert api.get("/api/users/me/").status_code == 200
    assert Challenge.objects.count() == codes

    assert api.post("/api/users/send_otp/", {"phone_number": ALICE}).status_code == 200
    refreshed = api.post("/api/users/token/refresh/", {"refresh_token": signed_in["refresh_token"]})
    assert refreshed.status_code == 200
