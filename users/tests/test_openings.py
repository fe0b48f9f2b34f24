"""Opened invite links: whose are counted, what that costs the database, and where the number is seen."""

from datetime import timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.people import at_once
from users import agents, prepared, services
from users.clients import Client as Caller
from users.models import InviteOpening, User
from users.services import openings

START_CLOCK = openings._Noted._start_clock  # which no other test lets run
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
PEOPLE = [
    CHROME,
    SAFARI,
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36 Telegram-Android/11.4.2",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 358.0",
    "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 YaBrowser/24.10 Mobile",
    "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 Chrome/90.0 Mobile Safari/537.36",
]
PROGRAMS = [
    "",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0 A",
    "Viber/13.3.0.22",
    "MaxBot",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
    "curl/8.5.0",
    "python-requests/2.34.2",
]


def visit(user: User, visitor: Client | None = None, agent: str = CHROME, method: str = "get", **headers) -> None:
    ask = getattr(visitor or Client(), method)
    assert ask(f"/i/{user.invite_code}/", headers={"User-Agent": agent} | headers).status_code == 200


def counted(user: User) -> int:
    """As it is kept in all; the days add up to the same."""
    services.write_openings()
    user.refresh_from_db()
    assert sum(user.openings.values_list("times", flat=True)) == user.invite_opened
    return user.invite_opened


@pytest.mark.parametrize("agent", PEOPLE)
def test_a_browser_is_nobodys_program(agent):
    assert not agents.is_program(agent)


@pytest.mark.parametrize("agent", PROGRAMS)
def test_a_program_is_known_and_not_counted(bob, agent):
    assert agents.is_program(agent)
    visit(bob, agent=agent)
    assert counted(bob) == 0


def test_everybody_who_opens_a_link_is_counted_on_the_day(bob, charlie):
    for agent in (CHROME, SAFARI, SAFARI):
        visit(bob, agent=agent)
    visit(charlie)
    assert (counted(bob), counted(charlie)) == (3, 1)
    visit(bob)
    assert counted(bob) == 4
    assert InviteOpening.objects.get(inviter=bob).day == timezone.now().date()


def test_a_browser_that_comes_back_while_it_keeps_the_invitation_is_counted_once(bob, charlie):
    visitor = Client()
    for _ in range(3):
        visit(bob, visitor)
    visit(charlie, visitor)
    assert (counted(bob), counted(charlie)) == (1, 1)


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}])
def test_what_a_browser_fetches_beforehand_is_not_counted(bob, headers):
    visit(bob, **headers)
    assert counted(bob) == 0


def test_neither_head_nor_the_picture_nor_a_wrong_code_is_counted(bob):
    visit(bob, method="head")
    Client().get(f"/i/{bob.invite_code}/card.png", headers={"User-Agent": CHROME})
    Client().get("/i/ZZZZZZ/", headers={"User-Agent": CHROME})
    assert counted(bob) == 0
    assert InviteOpening.objects.count() == 0


def test_neither_the_owner_nor_who_came_by_the_link_is_counted(alice, bob, charlie):
    services.activate_invite(user=alice, invite_code=bob.invite_code)
    client = Caller("203.0.113.5", user_agent=CHROME)
    for viewer in (alice, bob, charlie):
        invitation = services.invitation(invite_code=bob.invite_code, viewer=viewer, client=client)
        services.note_opening(invitation=invitation, client=client)
    assert counted(bob) == 1


def test_a_visit_writes_nothing_and_a_thousand_are_written_by_one_statement(alice, bob, browser):
    client = Caller("203.0.113.5", user_agent=CHROME)
    invitations = [
        services.invitation(invite_code=user.invite_code, viewer=None, client=client) for user in (alice, bob)
    ]
    with CaptureQueriesContext(connection) as statements:
        for number in range(1000):
            services.note_opening(invitation=invitations[number % 2], client=client)
    assert len(statements) == 0
    with CaptureQueriesContext(connection) as statements:
        services.write_openings()
        services.write_openings()
    assert len([query for query in statements.captured_queries if query["sql"].startswith("EXECUTE")]) == 1
    assert (counted(alice), counted(bob)) == (500, 500)


def test_a_process_remembers_no_more_than_so_many_links(alice, bob, monkeypatch):
    monkeypatch.setattr(openings, "MOST", 1)
    visit(alice)
    visit(bob)
    visit(alice)
    assert (counted(alice), counted(bob)) == (2, 0)


def test_what_could_not_be_written_is_written_the_next_time(bob, monkeypatch, caplog):
    visit(bob)
    with monkeypatch.context() as patch:

        def fail(*_, **__):
            patch.undo()
            visit(bob)
            raise OperationalError("gone")

        patch.setattr(prepared, "all_rows", fail)
        services.write_openings()
    visit(bob)
    assert counted(bob) == 3
    [record] = caplog.records
    assert (record.message, record.facts) == ("openings_not_written", {"error": "OperationalError"})


def test_a_clock_of_ten_seconds_runs_while_there_is_something_to_write(bob, charlie, monkeypatch):
    clocks = []
    monkeypatch.setattr(openings._Noted, "_start_clock", START_CLOCK)
    monkeypatch.setattr(openings.threading, "Timer", lambda *given: clocks.append(mock.Mock(given=given)) or clocks[-1])
    visit(bob)
    visit(charlie)
    [clock] = clocks
    assert (clock.given[0], clock.daemon, clock.start.call_count) == (10, True, 1)
    with mock.patch.object(openings.connection, "close") as close:  # a clock has a thread, and a connection, of its own
        clock.given[1]()
    assert (close.call_count, User.objects.get(id=bob.id).invite_opened) == (1, 1)
    visit(bob)
    assert len(clocks) == 2


def test_nothing_is_written_to_somebody_who_has_left_meanwhile(bob):
    visit(bob)
    User.objects.filter(id=bob.id).update(phone=None, is_active=False)
    assert counted(bob) == 0
    assert InviteOpening.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_processes_that_write_at_once_add_up():
    people = [User.objects.get_or_register(f"+7913000{number:04}")[0] for number in range(50)]
    ids = [person.id for person in people]

    def write(number: int) -> None:
        turned = ids[number:] + ids[:number]
        prepared.all_rows(openings._WRITE, ids=turned, times=[1] * len(turned))

    assert at_once(24, write) == [None] * 24
    assert set(User.objects.values_list("invite_opened", flat=True)) == {24}
    assert set(InviteOpening.objects.values_list("times", flat=True)) == {24}


def test_every_door_shows_the_number(bob, api):
    visit(bob)
    assert counted(bob) == 1
    visit(bob)
    InviteOpening.objects.update(day=timezone.now().date() - timedelta(days=40))
    assert counted(bob) == 2
    page = Client()
    told = services.request_code(phone=bob.phone, client=Caller("203.0.113.5"))
    signed_in = services.verify_code(code=told.otp, challenge=told.challenge, client=Caller("203.0.113.5"))
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {signed_in.tokens.access}")
    assert api.get("/api/users/me/").json()["invite_opened"] == 2
    answer = api.post("/graphql/", {"query": "{ me { inviteOpened } }"}, format="json")
    assert answer.json() == {"data": {"me": {"inviteOpened": 2}}}
    session = page.session
    session["sid"] = str(signed_in.session.id)
    session.save()
    assert "Your link was opened 2 times; in the last 30 days: 1." in " ".join(
        page.get("/profile/").content.decode().split()
    )


def test_the_days_are_kept_for_a_year_and_the_number_for_good(bob):
    visit(bob)
    counted(bob)
    visit(bob)
    InviteOpening.objects.update(day=timezone.now().date() - timedelta(days=366))
    services.write_openings()
    call_command("purge", verbosity=0)
    bob.refresh_from_db()
    assert bob.invite_opened == 2
    assert list(bob.openings.values_list("day", "times")) == [(timezone.now().date(), 1)]
