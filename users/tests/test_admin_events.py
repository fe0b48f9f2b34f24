"""Events and deliveries in the admin site."""

import pytest
from django.contrib.auth.models import Permission

from tests.support.people import BOB
from tests.support.receivers import OLD_SECRET
from users import events, webhooks
from users.models import Delivery, Event, User
from users.webhooks import EventType

pytestmark = pytest.mark.django_db
URL = "https://backend.example/events?secret=abracadabra"


@pytest.fixture(autouse=True)
def happened(settings):
    """Two events that were given up."""
    settings.WEBHOOK_URLS = [webhooks.parse(URL)]
    settings.WEBHOOK_SECRETS = [OLD_SECRET]
    settings.EVENTS_ARE_RECORDED = True
    events.record(EventType.USER_ENABLED, {"user_id": 1}, {"user_id": 2})
    events.place()
    Delivery.objects.update(next_attempt_at=None, attempts=10, outcome="500")


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser(phone=BOB, password="correct horse battery"))
    return client


@pytest.fixture
def onlooker(client, alice):
    """May look, and no more."""
    User.objects.filter(id=alice.id).update(is_staff=True)
    alice.user_permissions.set(Permission.objects.filter(codename__in=["view_event", "view_delivery"]))
    client.force_login(User.objects.get(id=alice.id))
    return client


@pytest.mark.parametrize("list_", ["event", "delivery"])
def test_the_pages_show_what_became_of_each_and_of_a_url_only_the_host(admin, list_):
    rows = {"event": Event, "delivery": Delivery}[list_].objects.all()
    pages = [f"/admin/users/{list_}/", f"/admin/users/{list_}/{rows[0].pk}/change/"]
    for page in pages:
        shown = admin.get(page)
        assert shown.status_code == 200
        assert "backend.example" in shown.text
        assert "500" in shown.text
        assert "abracadabra" not in shown.text


@pytest.mark.parametrize(("outcome", "count"), [("given_up", 2), ("waiting", 0), ("delivered", 0), ("", 2)])
def test_deliveries_are_listed_by_outcome(admin, outcome, count):
    assert admin.get(f"/admin/users/delivery/?outcome={outcome}").context["cl"].result_count == count


def replay(client, list_: str, pk: int):
    return client.post(f"/admin/users/{list_}/", {"action": "replay", "_selected_action": [pk]}, follow=True)


@pytest.mark.parametrize("list_", ["event", "delivery"])
def test_replaying_is_an_action(admin, list_):
    first = Delivery.objects.order_by("id")[0]
    shown = replay(admin, list_, first.event_id if list_ == "event" else first.pk)
    assert "Due again: 1." in shown.text
    due = Delivery.objects.filter(next_attempt_at__isnull=False)
    assert list(due.values_list("pk", "attempts", "outcome")) == [(first.pk, 0, "")]


@pytest.mark.parametrize("list_", ["event", "delivery"])
def test_whoever_may_only_look_does_not_replay(onlooker, list_):
    assert onlooker.get(f"/admin/users/{list_}/").status_code == 200
    for row in Delivery.objects.all():
        replay(onlooker, list_, row.event_id if list_ == "event" else row.pk)
    assert not Delivery.objects.filter(next_attempt_at__isnull=False).exists()
