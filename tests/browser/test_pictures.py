"""The pictures of the documents, taken of the real pages. `make pictures` puts them where the documents show them."""

import pytest

from tests.browser import zovi
from tests.support.people import ALICE
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_ticket(live_server, open_page, settings, language, scheme):
    settings.SITE_URL = "https://zovi.example"
    User.objects.create(phone=ALICE, invite_code="K7WQ2M")
    page = open_page(viewport=zovi.PHONE, locale=language, color_scheme=scheme, device_scale_factor=2)
    zovi.sign_in(page, live_server.url, ALICE)
    assert page.inner_text("#link") == "https://zovi.example/i/K7WQ2M/"
    zovi.SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    ticket = page.locator(".ticket").bounding_box()
    around = {"x": 0, "y": ticket["y"] - ticket["x"], "width": zovi.PHONE["width"]}
    around["height"] = ticket["height"] + 2 * ticket["x"]
    page.screenshot(path=zovi.SCREENSHOTS / f"ticket-{language}-{scheme}.png", clip=around, full_page=True)
