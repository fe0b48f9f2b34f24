"""Signing in and taking up an invitation: on a phone and a desk, with and without JavaScript, in both languages."""

import re
from datetime import timedelta

import pytest
import zxingcpp
from django.utils import timezone
from PIL import Image

from tests.browser import zovi
from tests.support.people import ALICE, BOB, wrong
from users.models import Activation, Challenge, Message, Session, User

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = {
    "en": {"invites": "invites you", "came": "You came by the invitation of", "out": "You are signed out."},
    "ru": {"invites": "приглашает вас", "came": "Добро пожаловать! Вас пригласили с номера", "out": "Вы вышли."},
}


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("size", [zovi.PHONE, zovi.DESK], ids=["phone", "desk"])
def test_from_an_invite_link_to_the_profile_and_out(live_server, open_page, size, scripts, language):
    bob, _ = User.objects.get_or_register(BOB)
    page, words = open_page(viewport=size, locale=language, java_script_enabled=scripts), WORDS[language]
    name = f"journey-{language}-{size['width']}{'' if scripts else '-no-scripts'}"

    page.goto(f"{live_server.url}/i/{bob.invite_code}/")
    assert page.locator("html").get_attribute("lang") == language
    assert words["invites"] in page.inner_text("h1")
    zovi.picture(page, f"{name}-1-invite")
    zovi.ask_for_code(page, "8 913 674-00-00")
    zovi.picture(page, f"{name}-2-code")
    zovi.enter_code(page, zovi.code_on_the_page(page), by_itself=scripts)
    assert f"{words['came']} +7 913 ***-**-12" in page.inner_text(".notice.success")
    assert Activation.objects.get().inviter == bob
    assert page.inner_text("#code") == User.objects.get(phone=ALICE).invite_code
    picture = zovi.picture(page, f"{name}-3-profile")
    [read] = zxingcpp.read_barcodes(Image.open(picture))
    assert read.text == page.inner_text("#link") == f"{live_server.url}/i/{page.inner_text('#code')}/"

    zovi.follow(page, "header form button")
    assert page.inner_text(".notice") == words["out"]
    assert Session.objects.get().ended_at
    assert page.url == f"{live_server.url}/"
    zovi.picture(page, f"{name}-4-out")


def test_the_person_sees_that_a_message_is_being_sent_and_sends_one(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/send-code/")
    page.fill("#id_phone", ALICE)
    with page.expect_navigation(url="**/verify-code/"):
        seen = page.evaluate("""() => {
            const form = document.querySelector("form.card"), button = form.querySelector("button");
            form.requestSubmit();
            form.requestSubmit();
            return [button.ariaBusy, button.textContent, form.querySelector("[role=status]").textContent];
        }""")
    assert seen == ["true", "Sending…", "Sending…"]
    assert Challenge.objects.count() == 1
    assert visit.complaints == []


def test_a_whole_code_sends_its_form_once_and_says_so(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/send-code/")
    zovi.ask_for_code(page, ALICE)
    typed = wrong(zovi.code_on_the_page(page))
    with page.expect_navigation():
        seen = page.evaluate(
            """typed => {
                const code = document.getElementById("id_code"), button = code.form.querySelector("button");
                code.value = typed;
                code.dispatchEvent(new Event("input", {bubbles: true}));
                code.form.requestSubmit();
                return [button.ariaBusy, button.textContent];
            }""",
            typed,
        )
    assert seen == ["true", "Checking…"]
    assert Challenge.objects.get().attempts == 1


def test_back_and_refresh_send_nothing(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/")
    zovi.ask_for_code(page, ALICE)
    page.reload()
    page.go_back()
    page.reload()
    page.go_forward()
    page.wait_for_selector("#id_code")
    assert Challenge.objects.count() == 1
    zovi.enter_code(page, zovi.code_on_the_page(page))


STOPS = {  # while a page is on its way Chromium lets nobody look into the one that is there: it must do so by itself
    "escape": "dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))",
    "the button beside the address": "stop()",
    "going on in the form": "button.form.querySelector('input').dispatchEvent(new Event('input', {bubbles: true}))",
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("place", ["/send-code/", "/verify-code/", "/profile/delete/", "/profile/"])
def test_a_form_that_was_stopped_while_it_was_sent_is_alive_again(live_server, visit, place, stop):
    page = visit.page
    if place == "/verify-code/":
        page.goto(f"{live_server.url}/send-code/")
        zovi.ask_for_code(page, ALICE)
    elif place.startswith("/profile/"):
        zovi.sign_in(page, live_server.url, ALICE)
    page.goto(f"{live_server.url}{place}")
    for field in page.locator("form[data-busy] input[required]").all():
        field.fill("+79136740012")
    seen = page.evaluate(
        f"""async () => {{
            const button = [...document.querySelectorAll("form[data-busy] button[data-busy]")].at(-1);
            const state = () => [button.textContent, button.ariaBusy, button.form.dataset.sent ?? null,
                                 button.form.querySelector("[role=status]").textContent];
            const before = state();
            button.form.requestSubmit();
            const during = state();
            await new Promise((begun) => setTimeout(begun));
            {stop};
            while (button.ariaBusy) await new Promise((turn) => setTimeout(turn));
            const after = state();
            stop();
            return [before, during, after, button.dataset.busy];
        }}"""
    )
    before, during, after, words = seen
    assert during == [words, "true", "yes", words]
    assert before[:3] == after[:3] == [before[0], None, None]
    assert after[3] == ""
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.locator("form[data-busy] button[data-busy]").last.click()


PASTED = {
    "with a space": "{0}{1} {2}{3}\n",
    "the message": "Zovi: {0}{1}{2}{3} is your sign-in code.\n\n@localhost #{0}{1}{2}{3}",
    "the message on one line": "Zovi: {0}{1}{2}{3} is your sign-in code. @localhost #{0}{1}{2}{3}",
    "the message without its last line": "Zovi: {0}{1}{2}{3}, valid for 180 s. Never tell it. Call 88005553535.",
    "a message with a year in it": "Shop 1999: code {0}{1}{2}{3}\n\n@shop.example #{0}{1}{2}{3}",
}
SCRIPTS = {"Arabic": "٠", "Persian": "۰", "full-width": "０"}


def in_script(zero: str, code: str) -> str:
    return "".join(chr(ord(zero) + int(digit)) for digit in code)


def paste(page, text: str) -> None:
    page.evaluate(
        """text => { const data = new DataTransfer(); data.setData("text", text);
           document.getElementById("id_code").dispatchEvent(
             new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})) }""",
        text,
    )


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
def test_a_pasted_message_gives_its_code(live_server, visit, pasted):
    page = visit.page
    page.goto(f"{live_server.url}/")
    zovi.ask_for_code(page, ALICE)
    with page.expect_navigation(url="**/profile/"):
        paste(page, pasted.format(*zovi.code_on_the_page(page)))


@pytest.mark.parametrize("zero", SCRIPTS.values(), ids=SCRIPTS)
def test_digits_of_other_scripts_are_digits(live_server, visit, zero):
    page = visit.page
    page.goto(f"{live_server.url}/")
    zovi.ask_for_code(page, ALICE)
    with page.expect_navigation(url="**/profile/"):
        page.fill("#id_code", in_script(zero, zovi.code_on_the_page(page)))


def test_a_pasted_text_with_two_numbers_that_may_be_the_code_costs_no_try(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/")
    zovi.ask_for_code(page, ALICE)
    paste(page, "Shop 1999: code 2968")
    assert page.input_value("#id_code") == ""
    paste(page, "an older message: 123456")
    assert page.input_value("#id_code") == "123456"
    assert Challenge.objects.get().attempts == 0


def test_a_code_is_taken_out_of_a_message_before_leaving_too(live_server, visit):
    page = visit.page
    zovi.sign_in(page, live_server.url, ALICE)
    page.goto(f"{live_server.url}/profile/delete/")
    zovi.follow(page, "form.again button")
    code = zovi.code_on_the_page(page)
    paste(page, f"Zovi: {code} is your sign-in code.\n\n@localhost #{code}")
    assert page.input_value("#id_code") == code
    assert page.url.endswith("/profile/delete/"), "nothing is deleted before the button is pressed"


def test_without_scripts_the_page_says_when_another_code_may_be_asked_for(live_server, open_page, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    page = open_page(java_script_enabled=False, locale="en", viewport=zovi.PHONE)
    page.goto(f"{live_server.url}/")
    zovi.ask_for_code(page, ALICE)
    assert re.search(r"You can ask for another code in: (60|[1-5]?\d) seconds", page.inner_text("form.again"))
    zovi.picture(page, "verify-code-no-scripts")


def test_the_field_asks_for_what_phones_fill_in(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/")
    zovi.ask_for_code(page, ALICE)
    code = page.locator("#id_code")
    assert code.get_attribute("autocomplete") == "one-time-code"
    assert code.get_attribute("inputmode") == "numeric"
    assert page.evaluate("document.activeElement.id") == "id_code"
    assert Message.objects.get().text.splitlines()[-1] == f"@localhost #{zovi.code_on_the_page(page)}"


def test_the_resend_button_counts_down_and_then_works(live_server, visit, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    page = visit.page
    page.goto(f"{live_server.url}/")
    page.clock.install()
    zovi.ask_for_code(page, ALICE)
    button = page.locator("form[action='/resend-code/'] button")
    assert button.is_disabled()
    assert re.fullmatch(r"Send again in (1:00|0:[0-5]\d)", button.inner_text())
    Challenge.objects.update(created_at=timezone.now() - timedelta(seconds=60))
    page.clock.fast_forward(61_000)
    assert button.inner_text() == "Send another code"
    with page.expect_navigation():
        button.click()
    assert Challenge.objects.count() == 2
    zovi.enter_code(page, zovi.code_on_the_page(page))


def test_a_wrong_code_is_refused_beside_the_field_and_kept(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/")
    zovi.ask_for_code(page, ALICE)
    typed = wrong(zovi.code_on_the_page(page))
    with page.expect_navigation():
        page.fill("#id_code", typed)
    assert "2 tries left." in page.get_by_role("alert").inner_text()
    assert page.input_value("#id_code") == typed
    zovi.picture(page, "code-wrong")
    zovi.enter_code(page, zovi.code_on_the_page(page))


def test_code_and_link_are_copied(live_server, visit):
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    zovi.sign_in(page, live_server.url, ALICE)
    for name in ("code", "link"):
        page.click(f"[data-copy={name}]")
        page.locator(f"[data-copy={name}]", has_text="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == page.inner_text(f"#{name}")
    assert visit.complaints == []


def test_the_link_is_shared_by_the_phones_own_menu(live_server, visit):
    page = visit.page
    page.add_init_script("navigator.share = async (what) => { window.shared = what }")
    zovi.sign_in(page, live_server.url, ALICE)
    page.get_by_role("button", name="Share").click()
    assert page.evaluate("window.shared") == {"text": "I invite you to Zovi", "url": page.inner_text("#link")}


def test_another_tab_can_finish_what_the_link_began(live_server, visit):
    bob, _ = User.objects.get_or_register(BOB)
    visit.page.goto(f"{live_server.url}/i/{bob.invite_code}/")
    other = visit.page.context.new_page()
    zovi.sign_in(other, live_server.url, ALICE)
    assert Activation.objects.get().inviter == bob
    visit.page.reload()
    assert "You came by this invitation already." in visit.page.inner_text("main")


def test_the_inbox_shows_new_messages_by_itself(live_server, visit):
    page = visit.page
    page.goto(f"{live_server.url}/dev/inbox/")
    Message.objects.deliver(ALICE, "Zovi: 0421 is your sign-in code.\n\n@localhost #0421")
    page.get_by_text("Zovi: 0421 is your sign-in code.").wait_for()
    assert "+7 913 ***-**-00" in page.inner_text("article")
    assert visit.complaints == []


def test_the_inbox_reloads_without_scripts_too(live_server, open_page):
    page = open_page(java_script_enabled=False)
    page.goto(f"{live_server.url}/dev/inbox/")
    Message.objects.deliver(ALICE, "Zovi: 0421 is your sign-in code.\n\n@localhost #0421")
    page.get_by_text("Zovi: 0421 is your sign-in code.").wait_for()
