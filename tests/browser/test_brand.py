"""A second brand from settings alone, on a server of its own beside ours: dark and light, on a phone and on a desk."""

import re

import pytest
import zxingcpp
from PIL import Image

from tests.browser import zovi
from tests.browser.conftest import skip_unless_ci
from tests.support import brands, live
from tests.support.people import ALICE

SITE = "https://polka.example"
COLOURS = {  # of the page, of the ticket
    ("ours", "light"): ("rgb(242, 244, 238)", "rgb(255, 210, 63)"),
    ("ours", "dark"): ("rgb(12, 21, 18)", "rgb(255, 210, 63)"),
    ("theirs", "light"): ("rgb(243, 240, 255)", "rgb(184, 242, 216)"),
    ("theirs", "dark"): ("rgb(23, 18, 43)", "rgb(184, 242, 216)"),
}
NAMES = {"ours": "Zovi", "theirs": brands.NAME}
SIZES = {"390": zovi.PHONE, "1280": zovi.DESK}


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    folder = tmp_path_factory.mktemp("brand")
    configuration = {
        "SITE_NAME": brands.NAME,
        "SITE_URL": SITE,
        "BRAND_DIR": str(brands.write(folder / "looks")),
        "PLAIN_STATIC": "",
    }
    for name in ("ours", "theirs"):
        (folder / name).mkdir()
    with (
        live.demo(folder / "ours", PLAIN_STATIC="", WEB_CONCURRENCY="1") as ours,
        live.demo(folder / "theirs", WEB_CONCURRENCY="1", **configuration) as theirs,
    ):
        yield {"ours": ours.base, "theirs": theirs.base}


@pytest.fixture
def see(open_page):
    """see(size, scheme): a browser's page."""

    def seen(size, scheme, locale="en"):
        return open_page(viewport=size, locale=locale, color_scheme=scheme, reduced_motion="reduce")

    return seen


def states(page, url):
    """From the front page to the invite link as a stranger opens it."""
    page.goto(f"{url}/")
    yield "home"
    page.goto(f"{url}/nothing/")
    yield "404"
    page.goto(f"{url}/send-code/")
    zovi.ask_for_code(page, ALICE)
    yield "verify-code"
    zovi.enter_code(page, zovi.code_on_the_page(page))
    yield "profile"
    code = page.inner_text("#code")
    page.context.clear_cookies()
    page.goto(f"{url}/i/{code}/")
    yield "invite"


def beside(left, right, name):
    """Both pictures in one, for the eye."""
    one, other = Image.open(left), Image.open(right)
    both = Image.new("RGB", (one.width + other.width + 20, max(one.height, other.height)), "#888")
    both.paste(one, (0, 0))
    both.paste(other, (one.width + 20, 0))
    both.save(zovi.SCREENSHOTS / f"{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_both_look_like_themselves(sites, see, width, scheme):
    taken = {}
    for whose, url in sites.items():
        page, complaints = see(SIZES[width], scheme), []
        page.on("console", lambda said, to=complaints: to.append(said.text) if said.type != "log" else None)
        for name in states(page, url):
            assert page.inner_text(".mark") == NAMES[whose]
            assert page.title().endswith(f" · {NAMES[whose]}")
            assert page.evaluate("document.querySelector('.mark img').naturalWidth") > 0
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            ticket = page.evaluate("""getComputedStyle(document.querySelector('.ticket') ?? document.body)
                .getPropertyValue('background-color')""")
            assert (ground, ticket) in [COLOURS[whose, scheme], (COLOURS[whose, scheme][0],) * 2]
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            taken[whose, name] = zovi.picture(page, f"brand-{name}-{whose}-{width}-{scheme}")
        assert [text for text in complaints if "status of 404" not in text] == []
    for name in ("home", "404", "verify-code", "profile", "invite"):
        beside(taken["ours", name], taken["theirs", name], f"brands-{name}-{width}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_second_brand_can_be_read_by_everybody(sites, see, scheme):
    if not zovi.AXE.exists():
        skip_unless_ci("axe-core is not here, because npm is missing or has no network")
    page, found = see(zovi.PHONE, scheme), {}
    for name in states(page, sites["theirs"]):
        page.evaluate(zovi.AXE.read_text())
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found[name] = [(rule["id"], node["html"]) for rule in result["violations"] for node in rule["nodes"]]
    assert found == {"home": [], "404": [], "verify-code": [], "profile": [], "invite": []}


def test_links_qr_codes_and_cards_lead_to_the_site(sites, see):
    page = see(zovi.DESK, "light", "ru")
    zovi.sign_in(page, sites["theirs"], ALICE)
    code = page.inner_text("#code")
    assert page.inner_text("#link") == f"{SITE}/i/{code}/"
    assert page.get_attribute("[data-share]", "data-text") == f"{brands.NAME}: приглашаю вас"
    [read] = zxingcpp.read_barcodes(Image.open(zovi.picture(page, "brand-qr")))
    assert read.text == f"{SITE}/i/{code}/"
    page.goto(f"{sites['theirs']}/i/{code}/")
    assert page.get_attribute("[property='og:url']", "content") == f"{SITE}/i/{code}/"
    for whose in sites:
        zovi.sign_in(page, sites[whose], ALICE)
        page.goto(f"{sites[whose]}/i/{page.inner_text('#code')}/card.png")
        page.set_viewport_size({"width": 1200, "height": 630})
        zovi.picture(page, f"brand-card-{whose}")
        page.context.clear_cookies()


@pytest.mark.parametrize("address", ["/api/docs/swagger/", "/redoc/", "/graphql/", "/admin/login/"])
def test_every_door_goes_by_the_name(sites, see, address):
    page = see(zovi.DESK, "light")
    page.goto(f"{sites['theirs']}{address}")
    assert brands.NAME in page.title()
    if address != "/graphql/":  # its own files come from npm, and may not be there
        page.get_by_text(brands.NAME).first.wait_for()
    zovi.picture(page, f"brand-{re.sub(r'[^a-z]+', '-', address).strip('-')}")
    assert "Zovi" not in page.inner_text("body")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["W" * 40, "Кофейня «У Маши» на углу Садовой улицы"])
def test_the_longest_name_fits_the_smallest_phone(live_server, settings, see, name):
    settings.SITE_NAME = name
    page = see({"width": 360, "height": 740}, "light", "ru")
    zovi.sign_in(page, live_server.url, ALICE)
    zovi.picture(page, f"brand-long-{name[0]}")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.locator(".top nav a").bounding_box()["height"] == 44
    assert page.locator(".mark").bounding_box()["height"] < 120  # four lines, and no tower of syllables
