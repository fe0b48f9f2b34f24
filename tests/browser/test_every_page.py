"""Every page and state: for everybody to use, on any screen, light, quiet, and from our own server alone."""

import re
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from project.env import ROOT
from tests.browser import zovi
from tests.support.people import ALICE, BOB, CHARLIE, wrong
from users import tokens
from users.clients import Client
from users.models import Activation, Session, User

pytestmark = pytest.mark.django_db(transaction=True)

LEAST, MOST = {"width": 360, "height": 740}, {"width": 1920, "height": 1080}
MOST_BYTES = 100_000  # a page, on the first visit


def every_state(page, url):
    """Walks through all of it, and stops at each state with its name."""
    bob, _ = User.objects.get_or_register(BOB)
    charlie, _ = User.objects.get_or_register(CHARLIE)
    for name, address in (
        ("home", "/"),
        ("send-code", "/send-code/"),
        ("404", "/nothing/"),
        ("invite-404", "/i/ZZZZZZ/"),
        ("inbox-empty", "/dev/inbox/"),
        ("invite", f"/i/{bob.invite_code}/"),
        ("home-invited", "/"),
    ):
        page.goto(f"{url}{address}")
        yield name
    page.goto(f"{url}/send-code/")
    page.fill("#id_phone", "12")
    zovi.follow(page, "form.card button")
    yield "send-code-refused"
    zovi.ask_for_code(page, ALICE)
    yield "verify-code"
    right = zovi.code_on_the_page(page)
    for left in (2, 1, 0):
        with page.expect_navigation():
            page.fill("#id_code", wrong(right))
        yield f"verify-code-refused-{left}"
    page.goto(f"{url}/verify-code/")
    yield "verify-code-over"
    zovi.sign_in(page, url, ALICE)
    yield "profile-invited"
    alice = User.objects.get(phone=ALICE)
    zovi.people_came_to(alice, 25)
    page.goto(f"{url}/profile/")
    yield "profile-people"
    zovi.follow(page, "[rel=next]")
    yield "profile-people-older"
    for name, address in (
        ("logout", "/logout/"),
        ("inbox", "/dev/inbox/"),
        ("invite-own", f"/i/{alice.invite_code}/"),
        ("invite-done", f"/i/{bob.invite_code}/"),
        ("invite-taken", f"/i/{charlie.invite_code}/"),
    ):
        page.goto(f"{url}{address}")
        yield name
    Activation.objects.filter(invitee=alice).delete()
    page.goto(f"{url}/i/{bob.invite_code}/")
    yield "invite-open"
    page.goto(f"{url}/profile/")
    page.fill("#id_invite_code", "ZZZZZZ")
    zovi.follow(page, "form:has(#id_invite_code) button")
    yield "profile-refused"
    page.goto(f"{url}/profile/delete/")
    yield "delete"
    zovi.follow(page, "form.again button")
    yield "delete-awaited"
    page.fill("#id_code", wrong(zovi.code_on_the_page(page)))
    zovi.follow(page, "form.card button")
    yield "delete-refused"
    User.objects.filter(id=alice.id).update(is_staff=True)
    page.goto(f"{url}/profile/delete/")
    yield "delete-administrator"
    User.objects.filter(id=alice.id).update(is_staff=False)
    yield from another_number(page, url)
    yield from idle_account(page, url)


def another_number(page, url):
    alice = User.objects.get(phone=ALICE)
    for agent in ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "okhttp/4.12.0"):
        tokens.open_session(alice, Client(address="2001:db8:85a3::8a2e:370:7334", user_agent=agent))
    page.goto(f"{url}/profile/")
    yield "profile-sessions"
    Session.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    page.goto(f"{url}/profile/phone/")
    yield "phone-sign-in-again"
    Session.objects.update(created_at=timezone.now())
    page.goto(f"{url}/profile/phone/")
    yield "phone"
    page.fill("#id_phone", "8 916 111-22-33")
    zovi.follow(page, "form.card button")
    yield "phone-code"


def idle_account(page, url):
    """Whoever has the number signs in two years after anybody did."""
    past = timezone.now() - timedelta(days=730)
    Session.objects.update(seen_at=past)
    User.objects.update(created_at=past)
    page.context.clear_cookies()
    with override_settings(ACCOUNT_IDLE_DAYS=365):
        page.goto(f"{url}/send-code/")
        zovi.ask_for_code(page, ALICE)
        with page.expect_navigation():
            page.fill("#id_code", zovi.code_on_the_page(page))
        yield "account-idle"
        zovi.follow(page, "form:has([value=true]) button")
        assert User.objects.get(phone=ALICE).created_at > past


@pytest.mark.parametrize(
    ("size", "scheme"), [(zovi.PHONE, "light"), (zovi.DESK, "dark")], ids=["phone-light", "desk-dark"]
)
def test_axe_finds_nothing(live_server, open_page, axe, scheme, size):
    page = open_page(viewport=size, locale="en", color_scheme=scheme, reduced_motion="reduce")
    found, states = {}, 0
    for name in every_state(page, live_server.url):
        states += 1
        page.evaluate(axe)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        problems = [(rule["id"], node["html"]) for rule in result["violations"] for node in rule["nodes"]]
        found |= {name: problems} if problems else {}
        zovi.picture(page, f"{name}-{size['width']}-{scheme}")
        lower = [box.bounding_box() for box in page.locator("form.again .second, form.again .act").all()]
        if name.startswith("delete") and name != "delete-administrator":
            assert [lower[1]["y"] - lower[0]["y"] - lower[0]["height"] >= 8] == [True], name
    assert found == {}
    assert states > 20


@pytest.mark.parametrize(("language", "thousand"), [("en", "1,000"), ("ru", "1\xa0000")])
def test_the_form_for_a_code_is_on_a_phones_first_screen_whoever_came(live_server, open_page, language, thousand):
    page = open_page(viewport=zovi.PHONE, locale=language)
    zovi.sign_in(page, live_server.url, ALICE)
    zovi.people_came_to(User.objects.get(phone=ALICE), 1000)
    page.goto(f"{live_server.url}/profile/")
    assert page.text_content(".count") == thousand
    zovi.picture(page, f"profile-thousand-390-{language}")
    form = page.locator("form:has(#id_invite_code)").bounding_box()
    assert form["y"] + form["height"] <= zovi.PHONE["height"]


@pytest.mark.parametrize(
    ("size", "language"),
    [(LEAST, "ru"), (LEAST, "en"), (zovi.DESK, "ru"), (MOST, "en")],
    ids=["360-ru", "360-en", "1280-ru", "1920-en"],
)
def test_nothing_is_cut_off_moves_or_is_too_small_to_hit(live_server, open_page, size, language):
    page, faults = open_page(viewport=size, locale=language, reduced_motion="reduce"), []
    page.add_init_script("""window.moved = 0; new PerformanceObserver(list => {
        for (const entry of list.getEntries()) window.moved += entry.value;
    }).observe({type: "layout-shift", buffered: true})""")
    for name in every_state(page, live_server.url):
        wide, moved, small = page.evaluate("""() => [
            document.documentElement.scrollWidth - innerWidth,
            window.moved,
            [...document.querySelectorAll("button, input:not([type=hidden]), .act, .second, nav a, footer a")]
              .filter(element => element.checkVisibility() && element.getBoundingClientRect().height < 44)
              .map(element => element.outerHTML),
        ]""")
        if wide > 0 or moved > 0.001 or small:
            faults.append((name, wide, moved, small))
        if size in (LEAST, zovi.DESK):
            zovi.picture(page, f"{name}-{size['width']}-{language}")
    assert faults == []


SMALLEST = {"width": 320, "height": 640}  # WCAG 2.2, 1.4.10
TWICE_AS_LARGE = "addEventListener('DOMContentLoaded', () => { document.documentElement.style.fontSize = '200%' })"
CUT_OFF = """() => {
    const shown = [...document.querySelectorAll("body *")]
      .filter((element) => element.checkVisibility() && !element.closest(".hush, svg, .tilted, .torn"));
    const isCutOff = (element) => {
        const { left, right } = element.getBoundingClientRect();
        const scrolls = element.matches("input") && element.scrollWidth > element.clientWidth + 1;
        return right > innerWidth + 1 || left < -1 || scrolls;
    };
    return shown.filter((element) => isCutOff(element) && ![...element.children].some(isCutOff))
      .map((element) => element.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("language", ["ru", "en"])
def test_nothing_is_cut_off_where_text_is_twice_as_large(live_server, open_page, language):
    page, faults = open_page(viewport=SMALLEST, locale=language, reduced_motion="reduce"), {}
    page.add_init_script(TWICE_AS_LARGE)
    for name in every_state(page, live_server.url):
        cut_off = page.evaluate(CUT_OFF)
        faults |= {name: cut_off} if cut_off else {}
        if name in {"invite", "verify-code", "profile-people", "home"}:
            zovi.picture(page, f"{name}-200-{language}")
    assert faults == {}


def test_every_page_is_quiet_and_asks_nobody_else(live_server, visit):
    names = list(every_state(visit.page, live_server.url))
    assert len(names) > 20
    # Chromium itself reports every page whose status is an error.
    assert [text for text in visit.complaints if not text.startswith("Failed to load resource: the server resp")] == []
    assert visit.foreign(live_server.url) == []
    assert visit.requests


@pytest.mark.parametrize("address", ["/", "/profile/"])
def test_a_first_visit_weighs_little(live_server, visit, address):
    page = visit.page
    zovi.sign_in(page, live_server.url, ALICE)
    if address == "/":
        page.context.clear_cookies()
    zovi.people_came_to(User.objects.get(phone=ALICE), 25)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.clearBrowserCache")
    sizes = []
    devtools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"{live_server.url}{address}", wait_until="networkidle")
    assert len(sizes) >= 4
    assert sum(sizes) < MOST_BYTES


def test_keys_alone_lead_through_the_sign_in(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/send-code/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "id_phone"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 3
    page.keyboard.type(ALICE)
    with page.expect_navigation(url="**/verify-code/"):
        page.keyboard.press("Enter")
    with page.expect_navigation(url="**/profile/"):
        page.keyboard.type(zovi.code_on_the_page(page))


def test_the_stylesheet_knows_every_class_the_pages_use():
    sheet = (ROOT / "users/static/users/zovi.css").read_text()
    known = set(re.findall(r"\.([a-z][a-z-]*)", sheet))
    pages = "".join(
        path.read_text() for path in (ROOT / "users/templates/users").glob("*.html") if "admin" not in path.name
    )
    used = {name for value in re.findall(r'class="([^"{]*)"', pages) for name in value.split()}
    assert used - known == set()
