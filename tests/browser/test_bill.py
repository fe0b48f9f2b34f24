"""The bill on the admin's first page, for whoever pays it: on a phone and a desk, by day and by night."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from tests.browser import zovi
from tests.browser.test_every_page import CUT_OFF
from tests.support.people import ALICE
from users.models import Challenge, User

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
WIDTHS = "bars => bars.map((bar) => bar.getBoundingClientRect().width)"
SENT = {"RU": (420, 391), "KZ": (64, 50), "ID": (180, 3)}  # on the busiest day: sent, used


@pytest.fixture
def two_weeks():
    now = timezone.now()
    Challenge.objects.bulk_create(
        Challenge(
            id=uuid.uuid4(),
            phone="",
            phone_key="",
            address="203.0.113.5",
            network="203.0.113.0",
            region=region,
            cost=Decimal("3.5") if region == "RU" else Decimal(8),
            created_at=now - timedelta(days=day),
            used_at=now - timedelta(days=day) if number < used // (1 + day % 5) else None,
        )
        for region, (sent, used) in SENT.items()
        for day in range(14)
        for number in range(sent // (1 + day % 5) if region != "ID" or day in {0, 3} else 0)
    )
    User.objects.create_superuser(ALICE, PASSWORD)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "language"), [(zovi.PHONE, "ru"), (zovi.DESK, "en")], ids=["phone", "desk"])
def test_the_bill_reads_well(live_server, open_page, two_weeks, size, language, scheme):
    page = open_page(viewport=size, locale=language, color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{live_server.url}/admin/")
    page.fill("#id_username", ALICE)
    page.fill("#id_password", PASSWORD)
    zovi.follow(page, "input[type=submit]")
    zovi.picture(page, f"admin-bill-{size['width']}-{scheme}")
    bars = page.locator(".bill .plot svg").evaluate_all(WIDTHS)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    cut_off = page.locator(".bill").evaluate(f"bill => {{ document.body.replaceChildren(bill); return ({CUT_OFF})() }}")
    assert cut_off == []
    assert len(bars) == 14
    assert min(bars) > size["width"] / 4
