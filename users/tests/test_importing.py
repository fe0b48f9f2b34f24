"""All of a file or nothing of it; a line that is refused is named by its number and why."""

import io
import os
import threading
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.support.people import ALICE, BOB, CHARLIE, at_once
from users import codes, services
from users.models import Activation, InvitedNumber, User
from users.services import importing
from users.services.importing import REASONS

pytestmark = pytest.mark.django_db
DAVE = "+79161112233"


@pytest.fixture
def read(tmp_path):
    """Imports lines, and returns what was said."""

    def run(*lines: str, first: str = "phone,invite_code,inviter_code", encoding: str = "utf-8", **options) -> str:
        path, said = tmp_path / "people.csv", io.StringIO()
        path.write_bytes("\n".join([first, *lines]).encode(encoding))
        try:
            call_command("import_users", str(path), stdout=said, stderr=io.StringIO(), **options)
        except CommandError as error:
            said.write(str(error))
        return said.getvalue()

    return run


def refusals(said: str) -> dict[int, str]:
    words = {text: reason for reason, text in REASONS.items()}
    found = [line.removeprefix("line ").split(": ", 1) for line in said.splitlines() if line.startswith("line ")]
    return {int(number): words[why] for number, why in found}


def people() -> set[tuple]:
    return set(User.objects.values_list("phone", "invite_code", "referrals_count"))


def test_people_come_with_their_codes_and_inviters(read):
    said = read(f"{BOB},BBBBBB,AAAAAA", f"{ALICE},AAAAAA,", "8 (926) 123-45-67,,bbb-bbb")
    assert "3 lines: 3 new people, 2 activations, 0 here already, 0 refused" in said
    charlie = User.objects.get(phone=CHARLIE)
    assert people() == {(ALICE, "AAAAAA", 1), (BOB, "BBBBBB", 1), (CHARLIE, charlie.invite_code, 0)}
    assert set(Activation.objects.values_list("invitee__phone", "inviter__phone", "invitee_phone")) == {
        (BOB, ALICE, BOB),
        (CHARLIE, BOB, CHARLIE),
    }


def test_the_database_goes_on_counting_afterwards(read, alice, bob, charlie):
    read(f"{DAVE},,{alice.invite_code}")
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert services.profile_of(user=alice).phones == [BOB, DAVE]
    assert User.objects.get(id=alice.id).referrals_count == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O' AND NOT tgisinternal")
        assert cursor.fetchone() == (0,)


def test_a_file_may_be_read_again(read):
    lines = [f"{ALICE},AAAAAA,", f"{BOB},,AAAAAA"]
    read(*lines)
    before = people()
    said = read(*lines, f"{CHARLIE},,AAAAAA")
    assert "1 new people, 1 activations, 2 here already, 0 refused" in said
    assert {(phone, code) for phone, code, _ in before} < {(phone, code) for phone, code, _ in people()}
    assert User.objects.get(phone=ALICE).referrals_count == 2


def test_a_dry_run_says_the_same_and_writes_nothing(read):
    said = read(f"{ALICE},AAAAAA,", f"{BOB},,AAAAAA", dry_run=True)
    assert "2 new people, 1 activations" in said
    assert not User.objects.exists()


def test_each_line_is_refused_by_its_number_and_reason_and_nothing_is_written(read, alice, bob, charlie):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    before = people()
    said = read(
        f"{DAVE},DDDDDD,",
        f"{DAVE},,",  # 3
        "+79161112234,DDDDDD,",  # 4
        "12,,",  # 5
        "+79161112235,O0,",  # 6
        "+79161112236,,O0",  # 7
        "+79161112237",  # 8
        f'+7916"1112238"x,"{DAVE}"x,',  # 9
        f"{ALICE},EEEEEE,",  # 10
        f"+79161112239,{alice.invite_code},",  # 11
        "+79161112240,FFFFFF,ffffff",  # 12
        "+79161112241,,GGGGGG",  # 13
        "+79161112242,HHHHHH,GGGGGG",  # 14
        "+79161112243,,HHHHHH",  # 15
        f"{CHARLIE},,{alice.invite_code}",  # 16
        "+78001234567,,",  # 17: toll-free
    )
    assert refusals(said) == {
        3: "phone_twice",
        4: "code_twice",
        5: "phone",
        6: "code",
        7: "inviter",
        8: "columns",
        9: "quotes",
        10: "other_code",
        11: "code_taken",
        12: "own_code",
        13: "no_inviter",
        14: "no_inviter",
        15: "behind",
        16: "other_inviter",
        17: "phone",
    }
    assert people() == before
    assert Activation.objects.count() == 1


def test_the_others_come_without_them_if_one_says_so(read):
    said = read(f"{ALICE},AAAAAA,", "12,,", f"{BOB},,AAAAAA", skip_refused=True)
    assert refusals(said) == {3: "phone"}
    assert set(User.objects.values_list("phone", flat=True)) == {ALICE, BOB}


def test_a_line_twice_is_one_line_too_many_and_harms_nobody_else(read):
    said = read(f"{ALICE},AAAAAA,", f"{ALICE},AAAAAA,", f"{BOB},,AAAAAA", skip_refused=True)
    assert refusals(said) == {3: "phone_twice"}
    assert set(User.objects.values_list("phone", flat=True)) == {ALICE, BOB}


def test_a_circle_of_inviters_is_refused_unless_one_takes_it(read):
    lines = [f"{ALICE},AAAAAA,CCCCCC", f"{BOB},BBBBBB,AAAAAA", f"{CHARLIE},CCCCCC,BBBBBB", f"{DAVE},,"]
    assert refusals(read(*lines)) == {2: "circle", 3: "circle", 4: "circle"}
    assert not User.objects.exists()
    assert "4 new people, 3 activations" in read(*lines, circles=True)


def test_what_ends_in_quotation_marks_goes_on_in_the_next_line(read):
    assert refusals(read('"+7916', '1112233",,', "12,,")) == {2: "phone", 4: "phone"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_a_wrong_column_is_refused(read, encoding):
    assert "must name columns" in read(f"{ALICE},", first="phone,referrer", encoding=encoding)
    assert not User.objects.exists()


def test_another_encoding_is_refused_by_its_line(read):
    assert refusals(read(f"{ALICE},,", f"{BOB},код,", encoding="cp1251")) == {3: "encoding"}
    assert not User.objects.exists()


def test_what_excel_writes_is_read(read):
    said = read(f"{ALICE};AAAAAA;", f"{BOB};;AAAAAA", first="phone;invite_code;inviter_code", encoding="utf-8-sig")
    assert "2 new people, 1 activations" in said


def test_rows_that_a_spreadsheet_left_empty_are_none(read):
    said = read(f"{ALICE};;", ";;", " ; ;", "", f"{BOB};;", ";;", first="phone;invite_code;inviter_code")
    assert "2 lines: 2 new people, 0 activations, 0 here already, 0 refused" in said
    assert refusals(read(f"{ALICE},,", ",,", ",BBBBBB,")) == {4: "phone"}


def test_a_pipe_is_read_too(tmp_path):
    pipe, said = tmp_path / "people", io.StringIO()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=[f"phone\n{ALICE}\n"])
    writer.start()
    call_command("import_users", str(pipe), stdout=io.StringIO(), stderr=said)
    writer.join()
    assert User.objects.get().phone == ALICE
    assert "reading: 1 lines\n" in said.getvalue()


def test_time_is_kept_and_the_future_refused(read):
    first = "phone,created_at"
    read(f"{ALICE},2020-02-03T04:05:06Z", first=first)
    assert User.objects.get().created_at.isoformat() == "2020-02-03T04:05:06+00:00"
    assert refusals(read(f"{BOB},2999-01-01", f"{CHARLIE},yesterday", first=first)) == {2: "time", 3: "time"}


def test_a_number_that_has_entered_a_code_and_left_enters_no_other(read, alice, bob, settings):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    key = codes.key_of_phone(BOB, pepper=settings.PHONE_KEY_PEPPER)
    User.objects.filter(id=bob.id).update(phone=None, is_active=False)
    InvitedNumber.objects.create(phone_key=key)
    assert refusals(read(f"{BOB},,{alice.invite_code}")) == {2: "came_before"}
    assert "1 new people" in read(f"{BOB},,")


def test_a_code_we_draw_is_nobodys(read, alice, monkeypatch):
    drawn = iter([alice.invite_code, "BBBBBB", "BBBBBB", "CCCCCC", "DDDDDD", "EEEEEE"])
    monkeypatch.setattr(codes, "new_invite_code", lambda: next(drawn))
    read(f"{BOB},,", f"{CHARLIE},,", f"{DAVE},BBBBBB,")
    assert User.objects.get(phone=DAVE).invite_code == "BBBBBB"
    assert len(set(User.objects.values_list("invite_code", flat=True))) == 4


@pytest.mark.django_db(transaction=True)
def test_those_whose_guests_come_along_sign_in_meanwhile(tmp_path, alice, browser):
    """Their rows are written last of all: to write a million people takes minutes."""
    path = tmp_path / "people.csv"
    path.write_text(f"phone,inviter_code\n{DAVE},{alice.invite_code}\n")
    codes_sent = [services.request_code(phone=ALICE, client=browser) for _ in range(2)]
    steps, found = {"writing people": codes_sent[0], "writing activations": codes_sent[1]}, []

    def sign_in(_number: int, sent: services.SentCode) -> User:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '400ms'")  # as a server's connections have it
        try:
            return services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser).user
        finally:
            connection.connection.close()  # so that no other test gets it from the pool

    def show(what: str) -> None:
        if sent := steps.pop(what, None):
            found.extend(at_once(1, partial(sign_in, sent=sent)))

    importing.import_users(
        path=path, dry_run=False, skip_refused=False, circles=False, show=show, refuse=lambda line, reason: None
    )
    assert found == [alice, alice]
    assert User.objects.get(id=alice.id).referrals_count == 1
