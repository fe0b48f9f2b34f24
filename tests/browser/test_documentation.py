"""Swagger UI, ReDoc and the admin site in a real browser: complete, usable, and from our own server alone."""

import pytest
import yaml

from tests.browser import zovi
from tests.support.people import ALICE, BOB
from users import tokens
from users.models import Session, User

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


class Swagger:
    def __init__(self, page, url: str):
        self.page = page
        page.goto(f"{url}/api/docs/swagger/")
        page.locator(".opblock").first.wait_for()

    def call(self, name: str, path: str, **parameters: str) -> tuple[int, dict]:
        """Press "Try it out" and "Execute", with the example as it stands."""
        operation = self.page.locator(f"#operations-users-{name}")
        if "is-open" not in operation.get_attribute("class"):
            operation.locator(".opblock-summary-control").click()
            operation.locator(".try-out__btn").click()
        for parameter, value in parameters.items():
            operation.locator(f"tr[data-param-name={parameter}] input").fill(value)
        examples = self.page.evaluate_handle("ui.specSelectors.specJson()")
        with self.page.expect_response(f"**/api/users/{path}") as response:
            operation.locator("button.execute").click()
        shown = operation.locator(".live-responses-table tbody .response-col_status").first
        shown.wait_for()
        answer = response.value
        if self.page.evaluate("path => path in examples", path):  # the page gives them to the next calls
            self.page.wait_for_function("before => ui.specSelectors.specJson() !== before", arg=examples)
        return answer.status, (answer.json() if answer.status != 204 else {})


def test_each_example_of_swagger_succeeds_as_it_stands(live_server, visit):
    bob, _ = User.objects.get_or_register(BOB)
    swagger = Swagger(visit.page, live_server.url)
    rows = visit.page.locator(".opblock-summary-description").all_inner_texts()
    assert len(rows) == visit.page.locator(".opblock").count() >= 20
    assert min(map(len, rows)) > 10
    assert swagger.call("sendOTP", "send_otp/")[0] == 200
    status, signed_in = swagger.call("auth", "auth/")
    assert (status, signed_in["phone_number"]) == (200, ALICE)
    status, me = swagger.call("me", "me/")
    assert (status, me["phone_number"]) == (200, ALICE)
    assert swagger.call("refs", "me/refs/")[0] == 200
    assert swagger.call("refreshToken", "token/refresh/")[0] == 200
    status, other = swagger.call("userPage", f"{bob.id}/", user_id=str(bob.id))
    assert (status, other["phone_number"]) == (200, "+7 913 ***-**-12")
    assert swagger.call("logout", "logout/")[0] == 204
    assert Session.objects.get().ended_at
    zovi.picture(visit.page, "swagger")
    assert visit.complaints == []
    assert visit.foreign(live_server.url) == []


def test_the_authorize_button_takes_a_token(live_server, visit, browser):
    alice, _ = User.objects.get_or_register(ALICE)
    token = tokens.issue(tokens.open_session(alice, browser)).access
    swagger = Swagger(visit.page, live_server.url)
    visit.page.locator(".btn.authorize").click()
    scheme = visit.page.locator(".auth-container", has=visit.page.locator("#auth-bearer-value"))
    scheme.locator("input").fill(token)
    scheme.locator(".btn.authorize").click()
    visit.page.locator(".modal-ux .close-modal").click()
    status, me = swagger.call("me", "me/")
    assert (status, me["phone_number"]) == (200, ALICE)
    assert visit.complaints == []


def test_redoc_shows_every_call_and_names_it_in_the_menu(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/redoc/")
    page.get_by_role("heading", name="Send a one-time code by SMS").first.wait_for()
    schema = yaml.safe_load(page.request.get(f"{live_server.url}/api/schema/").text())
    calls = [call for path in schema["paths"].values() for call in path.values()]
    wanted = {call["summary"] for call in calls}
    assert len(calls) >= 8
    assert "Sign in with the code" in wanted
    assert wanted <= {heading.strip() for heading in page.locator("h2").all_inner_texts()}
    menu = page.locator("[role=menuitem]:visible")
    assert {" ".join(item.split("\n")[-1:]).strip() for item in menu.all_inner_texts()} >= wanted
    page.wait_for_load_state("networkidle")
    broken = "[...document.images].filter(image => image.checkVisibility() && !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    zovi.picture(page, "redoc")
    assert visit.complaints == []
    assert visit.foreign(live_server.url) == []


def test_the_admin_site_works_under_the_same_policy(live_server, visit):
    User.objects.create_superuser("+79261234567", PASSWORD)
    User.objects.get_or_register(ALICE)
    page = visit.page
    page.goto(f"{live_server.url}/admin/")
    page.fill("#id_username", "8 926 123-45-67")
    page.fill("#id_password", PASSWORD)
    zovi.follow(page, "[type=submit]")
    assert "The last days" in page.text_content("main")
    heads = page.locator(".days thead th")
    one_line = heads.first.bounding_box()["height"]
    assert [head.bounding_box()["height"] for head in heads.all()] == [one_line] * 5
    assert one_line < 40
    zovi.picture(page, "admin")
    page.goto(f"{live_server.url}/admin/users/user/")
    zovi.picture(page, "admin-users")
    page.set_viewport_size(zovi.PHONE)
    assert page.locator("#searchbar").bounding_box()["width"] > 200
    zovi.picture(page, "admin-users-390")
    page.set_viewport_size(zovi.DESK)
    page.fill("#searchbar", "8 (913) 674-00-00")
    with page.expect_navigation(url="**/change/"):
        page.get_by_role("button", name="Find").click()
    alice = User.objects.get(phone=ALICE)
    assert page.inner_text("#content h2") == f"+7 913 ***-**-00 · {alice.invite_code}"
    assert str(alice.id) not in page.inner_text("body")
    zovi.picture(page, "admin-user")
    for model in ("activation", "challenge", "session"):
        page.goto(f"{live_server.url}/admin/users/{model}/")
    assert not [address for address in visit.requests if "913" in address]
    assert visit.complaints == []
    assert visit.foreign(live_server.url) == []
