"""A page of another origin is a client like any other, if its origin is allowed: the README's own, in real Chromium."""

import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Error

from project.env import ROOT
from tests.browser.conftest import skip_unless_ci
from tests.support.people import ALICE, BOB
from users.models import Activation, Challenge, Session, User

pytestmark = pytest.mark.django_db(transaction=True)

README = (ROOT / "README.md").read_text()
[CLIENT] = re.findall(r"```js\n(const zovi.*?)```", README, re.DOTALL)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def spa(tmp_path, live_server):
    """The origin of a site that holds the README's client and nothing else."""
    client = CLIENT.replace("http://127.0.0.1:8000", live_server.url)
    (tmp_path / "index.html").write_text(f"<link rel=icon href=data:,><script>{client}</script>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(visit, spa, settings):
    settings.CORS_ALLOWED_ORIGINS = [spa]
    visit.page.goto(spa)
    return visit.page


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
        "refs_next": None,
    }
    assert page.evaluate("meByGraphQL()") == {
        "data": {"me": {"inviteCode": alice.invite_code, "activatedInviteCode": None, "referrals": [BOB]}}
    }


def test_calls_that_find_the_token_too_old_refresh_it_once(page):
    sign_in(page)
    page.evaluate("session.token = 'old.and.stale'")
    answers = page.evaluate("Promise.all([me(), meByGraphQL(), me(), meByGraphQL(), me()])")
    assert [answer.get("phone_number") for answer in answers] == [ALICE, None, ALICE, None, ALICE]
    assert Session.objects.get().generation == 1
    page.evaluate("refresh()")
    assert page.evaluate("me()")["phone_number"] == ALICE
    assert Session.objects.get().generation == 2


def test_refusals_reach_the_page_with_their_codes_and_the_time_to_wait(page, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    sign_in(page)
    refused = page.evaluate("requestCode('+79136740000').catch(({ code, wait }) => ({ code, wait: Number(wait) }))")
    assert refused["code"] == "code_requested_too_soon"
    assert 50 <= refused["wait"] <= 60
    assert page.evaluate("graphql('{ nothing }').catch(({ code, status }) => [code, status])") == [
        "graphql_validation_failed",
        400,
    ]
    Session.objects.update(ended_at="2026-01-01T00:00:00Z")
    assert page.evaluate("meByGraphQL().catch(({ code }) => code)") == "invalid_token"


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


def test_typed_clients_are_generated_by_the_readmes_commands(live_server, tmp_path):
    commands = re.findall(r"```sh\n([^`]*?npx [^`]*?)```", README, re.DOTALL)
    assert len(commands) == 2
    if not shutil.which("npx") or subprocess.run(["npm", "ping"], capture_output=True, timeout=60).returncode:
        skip_unless_ci("npm is missing, or has no network")
    for command in commands:
        here = command.replace("~/zovi", str(ROOT)).replace("http://127.0.0.1:8000", live_server.url)
        subprocess.run(["sh", "-euc", here], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert "activatedInviteCode: (Scalars['String'] | null)" in (tmp_path / "zovi-graphql/schema.ts").read_text()
    assert "activated_invite_code: string | null;" in (tmp_path / "zovi-rest.d.ts").read_text()
