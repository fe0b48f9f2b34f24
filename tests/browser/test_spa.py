"""A page of another origin is a client like any other, if its origin is allowed: examples/spa, in real Chromium."""

import json
import re
import shutil
import subprocess

import pytest
from playwright.sync_api import Error, expect

from examples import serve
from project.env import ROOT
from tests.browser import zovi
from tests.browser.conftest import skip_unless_ci
from tests.support.people import ALICE, BOB, wrong
from users.models import Activation, Challenge, Session, User

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = (ROOT / "docs" / "clients.md").read_text()


@pytest.fixture
def spa(live_server):
    with serve.app(live_server.url) as origin:
        yield origin


@pytest.fixture
def page(visit, spa, settings):
    settings.CORS_ALLOWED_ORIGINS = [spa]
    visit.page.set_viewport_size(zovi.PHONE)
    visit.page.goto(spa)
    return visit.page


# --- The client, as the README shows it ----------------------------------------------------------------------------


def sign_in(page, phone=ALICE) -> None:
    page.evaluate(
        """async phone => {
          const { otp, challenge } = await requestCode(phone);
          await verifyCode(otp, challenge);
        }""",
        phone,
    )


def test_it_signs_in_and_reads_through_both_doors(page, bob):
    sign_in(page)
    alice = User.objects.get(phone=ALICE)
    Activation.objects.create(inviter=alice, invitee=bob)
    assert page.evaluate("me()") == {
        "id": str(alice.id),
        "phone_number": ALICE,
        "invite_code": alice.invite_code,
        "activated_invite_code": None,
        "refs": [BOB],
        "refs_count": 1,
        "invite_opened": 0,
        "refs_next": None,
    }
    assert page.evaluate("graphql('{ me { inviteCode activatedInviteCode referrals } }')") == {
        "data": {"me": {"inviteCode": alice.invite_code, "activatedInviteCode": None, "referrals": [BOB]}}
    }


def test_calls_that_find_the_token_too_old_refresh_it_once(page):
    sign_in(page)
    page.evaluate("session.token = 'old.and.stale'")
    answers = page.evaluate("Promise.all([me(), people(), me(), people(), me()])")
    assert [answer.get("phone_number") for answer in answers] == [ALICE, None, ALICE, None, ALICE]
    assert Session.objects.get().generation == 1
    page.evaluate("refresh()")
    assert page.evaluate("me()")["phone_number"] == ALICE
    assert Session.objects.get().generation == 2


def test_whoever_signs_in_while_somebody_elses_token_is_refreshed_stays_who_they_are(page):
    sign_in(page)
    page.evaluate("""() => {
      const send = window.fetch, held = new Promise((go) => { window.letGo = go; });
      window.fetch = async (url, options) => {
        const answer = await send(url, options);
        if (url.includes("/refresh/")) await held;
        return answer;
      };
      session.token = "old.and.stale";
      window.late = me();
    }""")
    page.evaluate("session = null")
    sign_in(page, BOB)
    late = page.evaluate("letGo(), late.then(({ phone_number: phone }) => phone)")
    assert (late, page.evaluate("me()")["phone_number"]) == (ALICE, BOB)


def test_refusals_reach_the_page_with_their_codes_and_the_time_to_wait(page, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    sign_in(page)
    refused = page.evaluate("requestCode('+79136740000').catch(({ code, wait }) => ({ code, wait: Number(wait) }))")
    assert refused["code"] == "code_requested_too_soon"
    assert 0 <= refused["wait"] <= 60
    assert page.evaluate("graphql('{ nothing }').catch(({ code, status }) => [code, status])") == [
        "graphql_validation_failed",
        400,
    ]
    Session.objects.update(ended_at="2026-01-01T00:00:00Z")
    assert page.evaluate("people().catch(({ code }) => code)") == "invalid_token"


def test_no_cookie_is_sent_or_kept_across_origins(page, visit):
    sign_in(page)
    assert visit.page.context.cookies() == []
    refused = "call('/api/users/auth/', { otp: '0000' }).catch(({ code }) => code)"
    assert page.evaluate(refused) == "challenge_required"


def test_an_origin_that_is_not_allowed_reads_nothing_and_does_nothing(page, settings):
    settings.CORS_ALLOWED_ORIGINS = []
    for call in (
        "requestCode('+79136740000')",
        "call('/graphql/', { query: '{ me { id } }' })",
        "call('/api/users/me/')",
    ):
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(call)
    assert not Challenge.objects.exists()


# --- The app ---------------------------------------------------------------------------------------------------------


class App:
    """The app by what one does with it."""

    def __init__(self, page):
        self.page = page

    def ask(self, phone: str) -> str:
        """Gives the code, which a demo shows."""
        self.page.get_by_label("Phone number").fill(phone)
        self.press("Send me a code")
        self.page.get_by_label("Code from the message").wait_for()
        return self.page.inner_text("#otp")

    def resend(self) -> str:
        with self.page.expect_response("**/send_otp/"):
            self.press("Send another code")
        expect(self.page.locator("#resend")).not_to_have_attribute("aria-busy", "true")
        return self.page.inner_text("#otp")

    def name(self, code: str) -> None:
        self.page.get_by_label("Code from the message").fill(code)
        self.press("Sign in")

    def enter(self, code: str) -> None:
        self.page.get_by_label("Did a friend invite you").fill(code)
        self.press("Enter")

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def is_told(self, words: str) -> None:
        expect(self.page.get_by_role("alert").filter(has_text=re.compile(r"\S"))).to_have_text(words)


@pytest.fixture
def app(page):
    return App(page)


def test_the_app_leads_through_the_whole_story(app, visit, live_server, spa, bob):
    app.ask("8 913 674-00-00")
    expect(app.page.locator("#sent-to")).to_have_text(ALICE)
    first = Challenge.objects.get()
    second = app.resend()
    assert [challenge.slot for challenge in Challenge.objects.order_by("created_at")] == [None, first.slot]
    app.name(second)
    app.page.get_by_role("heading", name=ALICE).wait_for()
    alice = User.objects.get(phone=ALICE)
    expect(app.page.locator("#invite-code")).to_have_text(alice.invite_code)
    expect(app.page.get_by_text("Nobody yet.")).to_be_visible()

    app.enter(bob.invite_code.lower())
    expect(app.page.locator("#inviter")).to_contain_text("+7 913 ***-**-12")
    assert Activation.objects.get().inviter == bob
    zovi.people_came_to(alice, 21)
    app.press("Look again")
    expect(app.page.locator("#people li")).to_have_count(20)
    app.press("Show more")
    expect(app.page.locator("#people li")).to_have_count(21)
    expect(app.page.locator("#count")).to_have_text("21")
    expect(app.page.locator("#inviter")).to_contain_text("+7 913 ***-**-12")
    app.press("Get a new one now")
    expect(app.page.locator("#renew")).not_to_have_attribute("aria-busy", "true")
    assert Session.objects.get().generation == 1

    app.press("Sign out")
    app.page.get_by_label("Phone number").wait_for()
    assert Session.objects.get().ended_at
    assert visit.complaints == []
    assert visit.foreign(live_server.url, spa) == []


def test_the_app_says_refusals_in_words(app, settings, bob):
    app.page.get_by_label("Phone number").fill("12")
    app.press("Send me a code")
    app.is_told("That is not a phone number.")
    code = app.ask(ALICE)
    for words in (
        "That is not the code. Tries left: 2.",
        "That is not the code. Tries left: 1.",
        "This code is of no more use. Ask for another one.",
    ):
        app.name(wrong(code))
        app.is_told(words)
    settings.OTP_RESEND_COOLDOWN = 60
    app.press("Send another code")
    app.is_told(re.compile(r"^A code is on its way. Another one can be sent in \d+ seconds?.$"))
    settings.OTP_RESEND_COOLDOWN = 0
    app.name(app.resend())
    app.page.get_by_role("heading", name=ALICE).wait_for()
    app.enter(User.objects.get(phone=ALICE).invite_code)
    app.is_told("This is your own code. Ask a friend for theirs.")
    app.enter("ZZZZZZ")
    app.is_told("Nobody has this code. Look at it once more.")
    Session.objects.update(ended_at="2026-01-01T00:00:00Z")
    app.press("Look again")
    app.page.get_by_label("Phone number").wait_for()
    app.is_told("You are signed out. Sign in again.")
    assert not Activation.objects.exists()


IDLE = "Is this account yours?"


@pytest.fixture
def idle(alice, settings) -> User:
    """Alice's account, which nobody has used for longer than a year."""
    settings.ACCOUNT_IDLE_DAYS = 365
    User.objects.update(created_at="2020-01-01T00:00:00Z")
    return alice


@pytest.mark.parametrize(("answer", "is_theirs"), [("Yes, it is mine", True), ("No, start afresh", False)])
def test_whoever_has_the_number_of_an_idle_account_says_whose_it_is(app, idle, answer, is_theirs):
    app.name(app.ask(ALICE))
    app.page.get_by_role("heading", name=IDLE).wait_for()
    expect(app.page.locator("#whose")).to_have_text(ALICE)
    assert not Session.objects.exists()
    app.press(answer)
    app.page.get_by_role("heading", name=ALICE).wait_for()
    owner = User.objects.get(phone=ALICE)
    assert (owner == idle, Session.objects.get().user) == (is_theirs, owner)
    expect(app.page.locator("#invite-code")).to_have_text(owner.invite_code)


def test_an_answer_that_comes_too_late_is_refused_and_there_is_a_way_back(app, idle):
    app.name(app.ask(ALICE))
    app.page.get_by_role("heading", name=IDLE).wait_for()
    Challenge.objects.update(expires_at="2026-01-01T00:00:00Z")
    app.press("No, start afresh")
    app.is_told("This code is of no more use. Ask for another one.")
    assert User.objects.get() == idle
    app.press("Another number")
    expect(app.page.get_by_label("Phone number")).to_have_value(ALICE)


def test_another_code_can_be_sent_when_the_seconds_are_over(app, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    app.ask(ALICE)
    button = app.page.locator("#resend button")
    expect(button).to_be_disabled()
    expect(button).to_have_text(re.compile(r"^Send another code in \d+ seconds?$"))
    app.page.evaluate("mayResendAt = performance.now()")
    expect(button).to_be_enabled()
    expect(button).to_have_text("Send another code")


def test_a_page_that_is_not_let_in_is_told_so(app, settings):
    settings.CORS_ALLOWED_ORIGINS = []
    app.page.get_by_label("Phone number").fill(ALICE)
    app.press("Send me a code")
    app.is_told("Zovi does not answer, or does not let this page in: see CORS_ALLOWED_ORIGINS.")


def test_every_word_is_there_in_russian_and_none_is_left_over(page):
    html, script = ((serve.SPA / name).read_text() for name in ("index.html", "app.js"))
    written = {text.strip() for text in re.findall(r">([^<]+)<", html.partition("<noscript>")[0])} - {"", "."}
    said = set(re.findall(r'say\("([^"]+)"', script)) | set(page.evaluate("Object.values(REFUSALS)"))
    assert set(page.evaluate("Object.keys(IN_RUSSIAN)")) == written | said


@pytest.mark.parametrize(
    ("locales", "language"),
    [(["ru-RU", "en"], "ru"), (["de", "ru"], "ru"), (["en-GB", "ru"], "en"), (["de", "run"], "en"), ([], "en")],
)
def test_it_speaks_the_first_language_of_the_browser_that_it_knows(page, locales, language):
    page.add_init_script(f"Object.defineProperty(navigator, 'languages', {{ value: {json.dumps(locales)} }})")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page).to_have_title({"ru": "Ваше приложение", "en": "Your app"}[language])


@pytest.mark.parametrize(("size", "scheme"), [(zovi.PHONE, "dark"), (zovi.DESK, "light")], ids=["phone", "desk"])
def test_it_leads_through_the_story_in_russian(open_page, spa, settings, axe, idle, size, scheme):
    settings.CORS_ALLOWED_ORIGINS, settings.OTP_RESEND_COOLDOWN = [spa], 60
    page = open_page(locale="ru-RU", viewport=size, color_scheme=scheme, reduced_motion="reduce")
    found = {}

    def look(name: str) -> None:
        found[name] = faults(page, axe)
        found[name] += re.findall(r"\b(?!Zovi\b)[A-Za-z]{3,}", page.inner_text("body").replace(invite_code(page), ""))
        zovi.picture(page, f"spa-{name}-{size['width']}-ru-{scheme}")

    page.goto(spa)
    look("start")
    page.fill("#phone-field", ALICE)
    page.click("#request button")
    page.locator("#verify").wait_for()
    code = page.inner_text("#otp")
    page.fill("#otp-field", wrong(code))
    page.click("#verify button")
    expect(page.locator("#verify [role=alert]")).to_have_text("Неверный код. Осталось попыток: 2.")
    expect(page.locator("#good-for")).to_have_text("Он действует 3 минуты.")
    expect(page.locator("#resend button")).to_have_text(re.compile(r"^Ещё один код — через \d+ секунд"))
    look("code")
    page.fill("#otp-field", code)
    page.click("#verify button")
    page.locator("#idle").wait_for()
    look("idle")
    page.click("#afresh button")
    page.locator("#home").wait_for()
    look("home")
    page.fill("#invite-field", "ZZZZZZ")
    page.click("#invite button")
    expect(page.locator("#invite [role=alert]")).to_have_text("Такого кода ни у кого нет. Проверьте его.")
    look("home-refused")
    assert found == {name: [] for name in found}


def invite_code(page) -> str:
    return page.text_content("#invite-code") or "-"


def faults(page, axe: str) -> list:
    """What axe finds, and what is wider than the screen."""
    page.evaluate(axe)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    found = [(rule["id"], node["html"]) for rule in result["violations"] for node in rule["nodes"]]
    return found + ["wide"] * page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_app_looks_right_and_is_for_everybody(app, axe, bob, idle, scheme):
    page, found = app.page, {}
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")

    def look(name: str) -> None:
        found[name] = faults(page, axe)
        zovi.picture(page, f"spa-{name}-390-{scheme}")

    look("start")
    code = app.ask(ALICE)
    app.name(wrong(code))
    page.locator("#verify [role=alert]:not(:empty)").wait_for()
    look("code")
    app.name(code)
    page.get_by_role("heading", name=IDLE).wait_for()
    look("idle")
    app.press("Yes, it is mine")
    page.get_by_role("heading", name=ALICE).wait_for()
    look("home")
    zovi.people_came_to(User.objects.get(phone=ALICE), 3)
    app.enter(bob.invite_code)
    page.locator("#inviter").wait_for()
    app.press("Look again")
    expect(page.locator("#people li")).to_have_count(3)
    look("home-invited")
    assert found == {name: [] for name in found}


# --- Types -----------------------------------------------------------------------------------------------------------


def test_typed_clients_are_generated_by_the_documents_commands(live_server, tmp_path):
    commands = re.findall(r"```sh\n([^`]*?npx [^`]*?)```", CLIENTS, re.DOTALL)
    assert len(commands) == 2
    if not shutil.which("npx") or subprocess.run(["npm", "ping"], capture_output=True, timeout=60).returncode:
        skip_unless_ci("npm is missing, or has no network")
    for command in commands:
        here = command.replace("~/zovi", str(ROOT)).replace("http://127.0.0.1:8000", live_server.url)
        subprocess.run(["sh", "-euc", here], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert "activatedInviteCode: (Scalars['String'] | null)" in (tmp_path / "zovi-graphql/schema.ts").read_text()
    assert "activated_invite_code: string | null;" in (tmp_path / "zovi-rest.d.ts").read_text()
