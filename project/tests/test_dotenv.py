"""What a .env may look like, and that everything else refuses by the number of its line."""

import pytest

from project import dotenv

NAMES = {"SMS_URL", "SECRET_KEY", "DEMO", "SMS_TEXT"}
TOKEN = "s3cret"


@pytest.fixture
def read(tmp_path):
    def read(content: str | bytes) -> dict[str, str]:
        path = tmp_path / ".env"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return dotenv.read(path, NAMES)

    return read


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("SMS_TEXT=a", "a"),
        ("SMS_TEXT = a b ", "a b"),
        ("  export SMS_TEXT=a", "a"),
        ("\tSMS_TEXT\t=\ta\t", "a"),
        ("SMS_TEXT=", ""),
        ("SMS_TEXT= # nothing", ""),
        ("SMS_TEXT=a # remark", "a"),
        ("SMS_TEXT=a#b", "a#b"),
        ("SMS_TEXT=a=b&c=$", "a=b&c=$"),
        ("SMS_TEXT='a=b&c=$d'", "a=b&c=$d"),
        ("SMS_TEXT=it's {code}", "it's {code}"),
        ("SMS_TEXT='# ${HOME} `x` '", "# ${HOME} `x` "),
        ('SMS_TEXT="код: {code} #1" # remark', "код: {code} #1"),
        (r'SMS_TEXT="\"a\"\n\\ \${b}"', '"a"\n\\ ${b}'),
        ("SMS_TEXT=a\r", "a"),
    ],
)
def test_a_line_is_read_as_shells_systemd_and_docker_read_it(read, line, value):
    assert read(f"# remark\n\n{line}\nDEMO=1\n") == {"SMS_TEXT": value, "DEMO": "1"}


def test_a_byte_order_mark_is_no_part_of_the_first_name(read):
    assert read(b"\xef\xbb\xbfDEMO=1\n") == {"DEMO": "1"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1251"])
def test_another_encoding_refuses(read, encoding):
    with pytest.raises(ValueError, match=r"^line 1: .*UTF-8"):
        read(f"# привет\nSMS_URL={TOKEN}\n".encode(encoding))


@pytest.mark.parametrize(
    "line",
    [
        f"SECRET_KEY {TOKEN}",
        f"SECRET_KEY: {TOKEN}",
        f'SECRET_KEY="{TOKEN}',
        f"SECRET_KEY='{TOKEN}",
        f"SECRET_KEY='{TOKEN}'x",
        f'SECRET_KEY="{TOKEN}"#x',
        f'SECRET_KEY="\\x{TOKEN}"',
        f"SECRET_KEY=#{TOKEN}",
        f"SECRET_KEY=${{{TOKEN}}}",
        f"SECRET_KEY=${TOKEN}",
        f'SECRET_KEY="a${TOKEN}"',
        f"SECRET_KEY={TOKEN}$1",
        f"SECRET_KEY={TOKEN}$$",
        f"SECRET_KEY=$(cat {TOKEN})",
        f"SECRET_KEY=`cat {TOKEN}`",
        f'SECRET_KEY="${{{TOKEN}}}"',
        f"SECRET_KEY={TOKEN}\\",
        f"SECRET_KEY={TOKEN}\u200b",
        f"SECRET_KEY={TOKEN}\0",
        f"\u00a0SECRET_KEY={TOKEN}",
        f"set SECRET_KEY={TOKEN}",
        f"export {TOKEN}",
        f"={TOKEN}",
        TOKEN,
        f"DEMO={TOKEN}",
        "DEMO=",
        f"SMS_ULR={TOKEN}",
        f"sms_url={TOKEN}",
        f"{TOKEN}={TOKEN}",
    ],
)
def test_a_line_that_is_not_understood_refuses_by_its_number_and_never_by_what_it_holds(read, line):
    with pytest.raises(ValueError, match=r"^line 3: ") as refused:
        read(f"DEMO=1\n\n{line}\n")
    assert TOKEN not in str(refused.value)


def test_a_slip_is_told_what_was_meant(read):
    with pytest.raises(ValueError, match=r"line 1: there is no setting of this name, but there is SMS_URL;"):
        read("SMS_ULR=x")


def test_names_that_other_programs_look_for_pass(read):
    others = {"PGSSLROOTCERT": "a", "HTTPS_PROXY": "b", "COMPOSE_PROJECT_NAME": "c", "SITE": "d"}
    assert read("".join(f"{name}={value}\n" for name, value in others.items())) == others


def test_a_line_of_ones_own_may_follow_the_examples_empty_one(read):
    assert read("DEMO=\nSMS_URL=\nSMS_URL=x\n") == {"DEMO": "", "SMS_URL": "x"}
