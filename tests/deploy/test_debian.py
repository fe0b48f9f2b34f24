"""A plain Debian server with two instances, for real: addresses, limits, races, restarts and a kill under load."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg2
import pytest
import requests

from project import env
from tests import needs
from tests.deploy import debian
from tests.deploy.debian import DEPLOY, HOST, code_of
from tests.support.people import at_once
from tests.support.servers import wait_until

ROUNDS = range(3)
_numbers = iter(range(10**6))


def new_phone() -> str:
    return f"+7913{next(_numbers):07}"


@pytest.fixture(scope="module")
def site(request):
    for program in debian.PROGRAMS:
        needs.program(program, debian.INSTALL)
    folder = debian.scratch_folder()
    site = debian.Site(folder, request.getfixturevalue("database_url"))
    try:
        site.start()
        yield site
    finally:
        site.stop()
        shutil.rmtree(folder)


def crowd(site, count):
    """That many visitors, each at an address of their own."""
    return [site.visitor(f"127.1.{number // 200}.{number % 200 + 1}") for number in range(count)]


# --- One server --------------------------------------------------------------------------------------------------


def test_systemd_accepts_the_units(tmp_path):
    analyze = needs.program("systemd-analyze", "apt install systemd")
    units = []
    for name in ("zovi@.socket", "zovi@.service", "zovi-purge.service", "zovi-purge.timer"):
        unit = (DEPLOY / name).read_text().replace("/srv/zovi/.venv/bin/python", sys.executable)
        units.append(str(tmp_path / name.replace("@", "@8001")))
        Path(units[-1]).write_text(unit)
    done = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "zovi" in line] == []


def test_timer_and_cron_purge_by_the_same_command(site):
    unit = configparser.ConfigParser(interpolation=None)
    unit.read(DEPLOY / "zovi-purge.service")
    [cron] = re.findall(r"(?m)^30 3 \* \* \* zovi (.*)$", (env.ROOT / "docs" / "operations.md").read_text())
    by_timer = f"{unit['Service']['Environment']} {unit['Service']['ExecStart']}"
    places = {"/srv/zovi/.venv/bin/python": sys.executable, ".venv/bin/python": sys.executable, "/srv/zovi": "."}
    configuration = {"PATH": os.environ["PATH"]} | site.configuration(site.database_url)
    for command in (by_timer, cron):
        command = re.sub("|".join(map(re.escape, places)), lambda place: places[place[0]], command)
        done = subprocess.run(["sh", "-c", command], env=configuration, cwd=env.ROOT, check=True, capture_output=True)
        assert done.stderr == b""


def test_plain_http_is_sent_to_tls(site):
    answer = requests.get(f"{site.plain}/api/users/me/", headers={"Host": HOST}, allow_redirects=False, timeout=300)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{HOST}/api/users/me/")


def test_zovi_knows_that_tls_ended_at_nginx(site):
    answer = site.visitor().get("/api/users/me/", allow_redirects=False)
    assert (answer.status_code, code_of(answer)) == (401, "not_authenticated")
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]
    sent = site.visitor().post("send_otp", phone_number=new_phone())
    assert "Secure" in sent.headers["Set-Cookie"]


def test_zovi_sees_real_addresses_and_no_forged_ones(site):
    phone = new_phone()
    visitor = site.visitor("127.9.8.7")
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    visitor.session.headers.update(forged)
    visitor.ask_for_code(phone)
    assert site.rows("SELECT host(address) FROM users_challenge WHERE phone = %s", phone) == [("127.9.8.7",)]


def test_what_nginx_refuses_looks_like_what_zovi_refuses(site):
    for size in (65 * 1024, 1024 * 1024):
        answer = site.visitor().post("send_otp", phone_number="7" * size)
        assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/json")
        assert answer.json() == {"detail": "The request is too large.", "code": "payload_too_large"}


def test_a_flood_from_one_address_is_damped_before_zovi(site):
    flooding = [site.visitor("127.7.7.7") for _ in range(20)]
    answers = at_once(20, lambda i: [flooding[i].get("/api/users/me/") for _ in range(25)])
    answers = [answer for some in answers for answer in some]
    assert {(answer.status_code, code_of(answer)) for answer in answers} == {
        (401, "not_authenticated"),
        (429, "too_many_requests"),
    }
    assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 429} == {"1"}


def test_the_recipes_own_configuration_serves_with_the_limits_of_production(site):
    """Nothing added but systemd's part: no variable that the recipe does not name."""
    instance = debian.Instance(site.folder, {"ENV_FILE": str(site.env_file("recipe"))})
    instance.start()
    try:
        phone, base = new_phone(), f"http://127.0.0.1:{instance.port}"
        as_nginx = {"Host": HOST, "X-Forwarded-For": "127.6.0.1", "X-Forwarded-Proto": "https"}
        sent = [
            requests.post(f"{base}/api/users/send_otp/", json={"phone_number": phone}, headers=as_nginx, timeout=300)
            for _ in range(2)
        ]
        assert [(answer.status_code, code_of(answer)) for answer in sent] == [
            (200, None),
            (429, "code_requested_too_soon"),
        ]
        assert sent[0].json()["resend_in"] == 60
        assert len(site.texts_to(phone)) == 1
    finally:
        instance.stop()
        instance.socket.close()


# --- PgBouncer ---------------------------------------------------------------------------------------------------


def test_every_pooled_connection_has_the_options_zovi_asks_for(site, settings):
    asked_for = dict(re.findall(r"-c (\w+)=(\S+)", settings.SERVING_DATABASE_OPTIONS))
    assert len(asked_for) == settings.SERVING_DATABASE_OPTIONS.count("-c ") >= 2
    connection = psycopg2.connect(site.pooled_url, options="-c statement_timeout=1")  # accepted, and not obeyed
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(asked_for)])
        assert dict(cursor.fetchall()) == asked_for
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(10)")
    connection.close()


def test_a_pooler_without_a_word_of_it_refuses_to_start(site):
    told = site.configuration(site.pooled_url)
    instance = debian.Instance(site.folder, told | {"DATABASE_PREPARE": ""})
    instance.socket.close()
    [line] = instance.refuses().splitlines()
    assert line == (
        "zovi: refusing to start: a pooler such as PgBouncer stands before PostgreSQL, where prepared statements get"
        " lost: set DATABASE_PREPARE=0"
    )


def test_a_hundred_visitors_share_a_few_connections(site):
    at_once(100, lambda i: crowd(site, 100)[i].get("/api/users/me/", headers={"Authorization": "Bearer x"}))
    [(connections,)] = site.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    assert connections - 1 <= 20  # ours is not one of them


# --- Two instances, one set of rules -------------------------------------------------------------------------------


@pytest.mark.parametrize("round_", ROUNDS)
def test_48_right_codes_make_one_session(site, round_):
    phone, visitors = new_phone(), crowd(site, 48)
    sent = visitors[0].ask_for_code(phone)
    answers = at_once(48, lambda i: visitors[i].post("auth", **sent))
    assert Counter(code_of(answer) for answer in answers) == {None: 1, "invalid_code": 47}
    sessions = "SELECT count(*) FROM users_session JOIN users_user ON users_user.id = user_id WHERE phone = %s"
    assert site.rows(sessions, phone) == [(1,)]


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_48_wrong_codes_three_are_compared(site, round_):
    phone, visitors = new_phone(), crowd(site, 48)
    sent = visitors[0].ask_for_code(phone)
    wrong = [f"{number:04}" for number in range(49) if f"{number:04}" != sent["otp"]]
    answers = at_once(48, lambda i: visitors[i].post("auth", otp=wrong[i], challenge=sent["challenge"]))
    assert {code_of(answer) for answer in answers} == {"invalid_code"}
    assert sorted(answer.json()["attempts_left"] for answer in answers) == [0] * 46 + [1, 2]
    assert visitors[0].post("auth", **sent).status_code == 400


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_24_sends_to_one_phone_the_limit_lets_five_through(site, round_):
    phone, visitors = new_phone(), crowd(site, 24)
    answers = at_once(24, lambda i: visitors[i].post("send_otp", phone_number=phone))
    assert Counter(code_of(answer) for answer in answers) == {None: 5, "too_many_requests": 19}
    assert len(site.texts_to(phone)) == 5


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_30_sends_from_one_address_the_limit_lets_twenty_through(site, round_):
    phones = [new_phone() for _ in range(30)]
    visitors = [site.visitor(f"127.2.0.{round_ + 1}") for _ in phones]
    answers = at_once(30, lambda i: visitors[i].post("send_otp", phone_number=phones[i]))
    assert Counter(code_of(answer) for answer in answers) == {None: 20, "too_many_requests": 10}


@pytest.mark.parametrize("round_", ROUNDS)
def test_12_different_invite_codes_make_one_activation(site, round_):
    visitors = crowd(site, 13)
    at_once(13, lambda i: visitors[i].sign_in(new_phone()))
    codes = [visitor.get("/api/users/me/").json()["invite_code"] for visitor in visitors]
    invitee = visitors[12]
    helpers = crowd(site, 12)
    for helper in helpers:
        helper.session.headers["Authorization"] = invitee.session.headers["Authorization"]
    answers = at_once(12, lambda i: helpers[i].post("referal", activated_invite_code=codes[i]))
    assert Counter(code_of(answer) for answer in answers) == {None: 1, "invite_already_activated": 11}
    [winner] = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert invitee.get("/api/users/me/").json()["activated_invite_code"] == codes[winner]


@pytest.mark.parametrize("round_", ROUNDS)
def test_48_refreshes_give_one_successor(site, round_):
    visitors = crowd(site, 48)
    token = visitors[0].sign_in(new_phone()).tokens["refresh_token"]
    answers = at_once(48, lambda i: visitors[i].post("token/refresh", refresh_token=token))
    assert Counter(answer.status_code for answer in answers) == {200: 48}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_a_logout_at_one_instance_holds_at_both(site):
    visitor = site.visitor("127.3.0.1").sign_in(new_phone())
    assert visitor.post("logout").status_code == 204
    answers = at_once(20, lambda i: visitor.get("/api/users/me/"))
    assert {code_of(answer) for answer in answers} == {"invalid_token"}


def test_both_instances_had_their_share(site):
    assert site.served_by() == {f"127.0.0.1:{instance.port}" for instance in site.instances}


# --- Restarts ------------------------------------------------------------------------------------------------------


class Load:
    """Ten people who read their profiles and invite each other, without a pause, until they are told to stop."""

    def __init__(self, site):
        self.people = [site.visitor(f"127.4.0.{number + 1}").sign_in(new_phone()) for number in range(10)]
        self.codes = [person.get("/api/users/me/").json()["invite_code"] for person in self.people]
        self.read: list[int] = []
        self.written: list[int] = []
        self.over = threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.act, args=(number,)) for number in range(len(self.people))]
        for thread in self.threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        time.sleep(0.5)
        self.over.set()
        for thread in self.threads:
            thread.join()

    def act(self, number: int) -> None:
        person, code = self.people[number], self.codes[number - 1]
        while not self.over.wait(0.02):  # about forty requests a second from each: nginx allows fifty
            self.read.append(person.get("/api/users/me/").status_code)
            self.written.append(person.post("referal", activated_invite_code=code).status_code)


def test_restarting_one_instance_after_the_other_under_load_fails_no_request(site):
    with Load(site) as load:
        for instance in site.instances:
            instance.restart()
    assert len(load.read) > 100
    assert set(load.read) == set(load.written) == {200}


def test_the_port_of_a_restarting_instance_refuses_nobody(site):
    instance, over, statuses = site.instances[0], threading.Event(), []

    def knock(_number):
        while not over.wait(0.01):
            statuses.append(requests.get(f"http://127.0.0.1:{instance.port}/livez", timeout=300).status_code)

    def restart(_number):
        wait_until(lambda: len(statuses) > 20)
        instance.restart()
        over.set()

    assert at_once(5, lambda number: knock(number) if number else restart(number)) == [None] * 5
    assert set(statuses) == {200}


def test_killing_an_instance_under_load_loses_nothing(site):
    with Load(site) as load:
        site.instances[0].kill()
        time.sleep(1)
        site.instances[0].start()
    assert len(load.read) > 100
    assert set(load.read) == {200}  # nginx asks the other one again
    assert set(load.written) <= {200, 503}  # what may have been done is not done twice: "try again", in JSON
    assert load.written.count(503) <= len(load.people)
    for person, code in zip(load.people, [load.codes[-1], *load.codes], strict=False):
        assert person.get("/api/users/me/").json()["activated_invite_code"] == code


def test_with_one_machine_gone_the_other_serves_everybody(site):
    site.wait_until_nginx_asks_both()  # the test before may have left one of them to rest for fail_timeout
    gone = site.instances[1]
    gone.stop()
    gone.socket.close()
    visitor = site.visitor("127.5.0.1").sign_in(new_phone())
    assert {visitor.get("/api/users/me/").status_code for _ in range(20)} == {200}
    assert visitor.post("logout").status_code == 204
    site.instances.remove(gone)
