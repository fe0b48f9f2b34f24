"""Every unsafe configuration refuses to start, with one clear line."""

import os
import re
import signal
import subprocess
import sys

import pytest

from project import env
from tests.support import starts

SECRETS = {"SECRET_KEY": "a" * 50, "JWT_SECRET_KEY": "b" * 50, "OTP_PEPPER": "c" * 50}
REAL = {"SMS_URL": "json://localhost/{phone}", "DATABASE_URL": "postgres://localhost/zovi", **SECRETS}
HOOK_SECRET = f"whsec_{'a' * 32}"
WEBHOOKS = {"WEBHOOK_URLS": "https://backend.example/events", "WEBHOOK_SECRET": "whsec_" + "c2VjcmV0" * 4}
DEMO = {"DEMO": "1", "DATABASE_URL": "postgres://localhost/zovi"}
CERTIFICATE = ":".join(["AB"] * 32)
TESTS = {"TEST_NUMBERS": "+79990000001:490731", "TEST_NUMBERS_UNTIL": "2026-01-31"}
ELEVEN = ",".join(f"+799900000{number:02}:490731" for number in range(11))
EXAMPLE = env.ROOT / ".env.example"
CONFIGURED = re.findall(r"(?m)^#? ?([A-Z_]+)=", EXAMPLE.read_text())
EVERYTHING = """
import django, os; django.setup()
from project import settings
print({name: repr(value) for name, value in sorted(vars(settings).items()) if name.isupper()})
print({name: value for name, value in sorted(os.environ.items()) if name in settings.env.NAMES})
"""


def start(configuration: dict, statement="import django; django.setup(); print('started')"):
    """Load the settings in a process of their own."""
    inherited = {name: value for name, value in os.environ.items() if name not in {*CONFIGURED, "PYTEST_VERSION"}}
    environment = inherited | {"DJANGO_SETTINGS_MODULE": "project.settings"} | configuration
    return starts.run(statement, environment=environment, cwd=env.ROOT)


@pytest.mark.parametrize(
    "configuration",
    [
        REAL,
        DEMO,
        DEMO | {"ALLOWED_HOSTS": "*", "CORS_ALLOWED_ORIGINS": "*"},
        REAL | TESTS,
        REAL | TESTS | {"TEST_NUMBERS": "+15555550100:4907\n+447700900123:38165092"},
        DEMO | {"DEBUG": "1"},
        REAL | {"ALLOWED_HOSTS": "zovi.example", "CORS_ALLOWED_ORIGINS": "https://app.example,http://localhost:3000"},
        REAL | {"OTP_SENDS_PER_PHONE": "off", "OTP_DIGITS": "6"},
        REAL | {"SITE_NAME": "Книги & Ко", "SITE_URL": "https://books.example/"},
        REAL | {"SITE_URL": "http://127.0.0.1:8000"},
        REAL
        | {"SMS_URL": "RU|hook+https://gate.example/send\n json://localhost/{phone}", "SMS_HOOK_SECRET": HOOK_SECRET},
        REAL | {"SMS_SUCCESS": "OK", "SMS_COST": "RU:3.5,*:8", "SMS_TEXT": "{site}: {code}", "SMS_WEBOTP": "0"},
        DEMO | {"SITE_URL": "http://books.example"},
        DEMO | {"APP_LINKS_IOS": "ABCDE12345.com.example.app, ABCDE12345.com.example.beta"},
        DEMO | {"APP_LINKS_ANDROID": f"com.example.app:{CERTIFICATE},com.example.app:{CERTIFICATE.lower()}"},
    ],
)
def test_a_safe_configuration_starts(configuration):
    done = start(configuration)
    assert done.stdout == "started\n", done.stderr


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"DATABASE_URL": REAL["DATABASE_URL"], **SECRETS}, "neither DEMO=1 nor SMS_URL"),
        (DEMO | {"DEMO": "0"}, "neither DEMO=1 nor SMS_URL"),
        (REAL | {"DEMO": "1"}, "DEMO=1 and SMS_URL are both set"),
        (REAL | {"SECRET_KEY": ""}, "SECRET_KEY is missing"),
        (REAL | {"JWT_SECRET_KEY": "short"}, "JWT_SECRET_KEY is shorter than 50"),
        (REAL | {"OTP_PEPPER": "x" * 49}, "OTP_PEPPER is shorter than 50"),
        (REAL | {"OTP_PEPPER": SECRETS["SECRET_KEY"]}, "three different secrets"),
        (DEMO | {"OTP_PEPPER": "same", "SECRET_KEY": "same"}, "three different secrets"),
        (REAL | {"JWT_SECRET_KEY_FALLBACKS": "short"}, "JWT_SECRET_KEY_FALLBACKS is shorter than 50"),
        (REAL | {"JWT_SECRET_KEY_FALLBACKS": SECRETS["OTP_PEPPER"]}, "JWT_SECRET_KEY_FALLBACKS must hold no secret"),
        (REAL | {"SECRET_KEY_FALLBACKS": "short"}, "SECRET_KEY_FALLBACKS is shorter than 50"),
        (REAL | {"SECRET_KEY_FALLBACKS": SECRETS["OTP_PEPPER"]}, "SECRET_KEY_FALLBACKS must hold no secret"),
        (REAL | {"OTP_PEPPER_FALLBACKS": "short"}, "OTP_PEPPER_FALLBACKS is shorter than 50"),
        (REAL | {"OTP_PEPPER_FALLBACKS": SECRETS["SECRET_KEY"]}, "OTP_PEPPER_FALLBACKS must hold no secret"),
        (
            REAL | {"SECRET_KEY": "change-me-this-is-the-example-and-it-is-refused-1-0123456789"},
            "SECRET_KEY is the example's",
        ),
        (REAL | {"DEBUG": "1", "ALLOWED_HOSTS": "zovi.example"}, "DEBUG=1 is for loopback"),
        (DEMO | {"DEBUG": "1", "HOST": "0.0.0.0"}, "DEBUG=1 is for loopback"),  # noqa: S104
        (DEMO | {"DEBUG": "1", "ALLOWED_HOSTS": "*"}, "DEBUG=1 is for loopback"),
        (REAL | {"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must not hold *"),
        (REAL | {"CORS_ALLOWED_ORIGINS": "*"}, "CORS_ALLOWED_ORIGINS must not hold *"),
        (REAL | {"CSRF_TRUSTED_ORIGINS": "https://*.example"}, "CSRF_TRUSTED_ORIGINS must not hold *"),
        (DEMO | {"CORS_ALLOW_HEADERS": "x-tenant, x y"}, "CORS_ALLOW_HEADERS must hold names of headers"),
        (DEMO | {"CORS_ALLOWED_ORIGINS": "app.example"}, "CORS_ALLOWED_ORIGINS must hold origins"),
        (DEMO | {"CSRF_TRUSTED_ORIGINS": "https://app.example/path"}, "CSRF_TRUSTED_ORIGINS must hold origins"),
        (DEMO | {"SITE_URL": "books.example"}, "SITE_URL must be an address"),
        (DEMO | {"SITE_URL": "https://books.example:65536"}, "SITE_URL must be an address"),
        (DEMO | {"CORS_ALLOWED_ORIGINS": "https://app.example:70000"}, "CORS_ALLOWED_ORIGINS must hold origins"),
        (DEMO | {"SITE_URL": "https://books.example/path"}, "SITE_URL must be an address without a path"),
        (REAL | {"SITE_URL": "http://books.example"}, "SITE_URL must be https outside a demo"),
        (DEMO | {"BRAND_DIR": "no/such/folder"}, "BRAND_DIR: there is no such folder"),
        (DEMO | {"BRAND_DIR": "docs"}, "BRAND_DIR: the folder holds none of logo.svg, icon.png, theme.css"),
        (DEMO | {"APP_LINKS_IOS": "com.example.app"}, "APP_LINKS_IOS must hold a team and a bundle"),
        (DEMO | {"APP_LINKS_IOS": "ABCDE12345.app"}, "APP_LINKS_IOS must hold a team and a bundle"),
        (DEMO | {"APP_LINKS_ANDROID": "com.example.app"}, "APP_LINKS_ANDROID must hold a package"),
        (DEMO | {"APP_LINKS_ANDROID": f"app:{CERTIFICATE}"}, "APP_LINKS_ANDROID must hold a package"),
        (DEMO | {"APP_LINKS_ANDROID": f"com.example.app:{CERTIFICATE[3:]}"}, "APP_LINKS_ANDROID must hold a package"),
        (DEMO | {"DEMO": "maybe"}, "DEMO must be 0 or 1"),
        (DEMO | {"DEBUG": "maybe"}, "DEBUG must be 0 or 1"),
        (DEMO | {"PORT": "http"}, "PORT must be a whole number"),
        (DEMO | {"PORT": "65536"}, "PORT must be a whole number"),
        (DEMO | {"OTP_TTL": "3m"}, "OTP_TTL must be a whole number"),
        (DEMO | {"OTP_DIGITS": "3"}, "OTP_DIGITS must be a whole number"),
        (DEMO | {"OTP_TRIES": "0"}, "OTP_TRIES must be a whole number"),
        (DEMO | {"TRUSTED_PROXY_COUNT": "-1"}, "TRUSTED_PROXY_COUNT must be a whole number"),
        (DEMO | {"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY must be a whole number"),
        (DEMO | {"OTP_SENDS_PER_PHONE": "many"}, "OTP_SENDS_PER_PHONE must be off"),
        (DEMO | {"OTP_SENDS_PER_IP": "5/w"}, "OTP_SENDS_PER_IP must be off"),
        (DEMO | {"SMS_SIMULATED_DELAY": "2-1"}, "SMS_SIMULATED_DELAY must give the shorter time first"),
        (DEMO | {"SMS_SIMULATED_DELAY": "soon"}, "SMS_SIMULATED_DELAY must be seconds"),
        (DEMO | {"PHONE_DEFAULT_REGION": "Russia"}, "two-letter regions"),
        (DEMO | {"PHONE_ALLOWED_REGIONS": "RU,XX"}, "two-letter regions"),
        (DEMO | {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be one of"),
        (DEMO | {"DATABASE_URL": "sqlite:///zovi.db"}, "DATABASE_URL must name a PostgreSQL database"),
        (DEMO | {"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        (DEMO | {"DATABASE_URL": "postgres://localhost"}, "DATABASE_URL must name a PostgreSQL database"),
        (DEMO | {"DATABASE_URL": "postgres://zovi:a/b@localhost/zovi"}, "with / ? and % in the password written %2F"),
        (DEMO | {"DATABASE_URL": "postgres://zovi:12/b@localhost/zovi"}, "with / ? and % in the password written %2F"),
        (DEMO | {"DATABASE_URL": "postgres://zovi:12?b@localhost/zovi"}, "with / ? and % in the password written %2F"),
        (REAL | {"SMS_URL": "nonsense"}, "SMS_URL names no gateway"),
        (REAL | {"SERVICE_KEYS": f"crm:{'k' * 39}"}, "SERVICE_KEYS must hold name:secret pairs"),
        (REAL | {"SERVICE_KEYS": "k" * 50}, "SERVICE_KEYS must hold name:secret pairs"),
        (
            REAL | {"SERVICE_KEYS": f"crm:{'k' * 40},crm:{'l' * 40}"},
            "SERVICE_KEYS must not hold",
        ),
        (
            REAL | {"SERVICE_KEYS": f"crm:{'k' * 40} bi:{'k' * 40}"},
            "SERVICE_KEYS must not hold",
        ),
        (REAL | WEBHOOKS | {"WEBHOOK_SECRET": ""}, "WEBHOOK_SECRET is missing"),
        (REAL | WEBHOOKS | {"WEBHOOK_SECRET": "secret"}, "WEBHOOK_SECRET must be whsec_"),
        (REAL | WEBHOOKS | {"WEBHOOK_SECRET_FALLBACK": "whsec_c2hvcnQ="}, "WEBHOOK_SECRET_FALLBACK must be whsec_"),
        (REAL | WEBHOOKS | {"WEBHOOK_TYPES": "user.created,user.gone"}, "WEBHOOK_TYPES must hold some of"),
        (REAL | WEBHOOKS | {"WEBHOOK_URLS": "http://backend.example/"}, "WEBHOOK_URLS must be https://"),
        (
            REAL | WEBHOOKS | {"WEBHOOK_URLS": "http://10.0.0.1/"},
            "WEBHOOK_URLS must be https://",
        ),
        (
            REAL | WEBHOOKS | {"WEBHOOK_URLS": "https://a:b@backend.example/"},
            "WEBHOOK_URLS must hold no user",
        ),
        (REAL | WEBHOOKS | {"WEBHOOK_URLS": "backend.example"}, "WEBHOOK_URLS must hold URLs"),
        (REAL | WEBHOOKS | {"WEBHOOK_URLS": "https://[::1/"}, "WEBHOOK_URLS must hold URLs"),
        (REAL | {"SMS_URL": "twilio://sid:token@+15550001111/+15550002222"}, "SMS_URL names no gateway"),
        (REAL | {"SMS_URL": "json://localhost/?to={phone}"}, "SMS_URL names no gateway"),
        (REAL | {"SMS_URL": "json://localhost/{phone} hook+https://gate.example/"}, "SMS_HOOK_SECRET is missing"),
        (REAL | {"SMS_URL": "hook+http://gate.example/", "SMS_HOOK_SECRET": HOOK_SECRET}, "for loopback only"),
        (
            REAL | {"SMS_URL": "RU|json://localhost/{phone}", "PHONE_ALLOWED_REGIONS": "RU,KZ"},
            "allows KZ, but no route",
        ),
        (REAL | {"SMS_HOOK_SECRET": "secret"}, "SMS_HOOK_SECRET must be whsec_"),
        (REAL | {"SMS_HOOK_SECRET": f"whsec_{'a' * 31}"}, "SMS_HOOK_SECRET must be whsec_"),
        (REAL | {"SMS_HOOK_SECRET": f"whsec_{'!' * 32}"}, "SMS_HOOK_SECRET must be whsec_"),
        (REAL | {"SMS_HOOK_SECRET": "a" * 32}, "SMS_HOOK_SECRET must be whsec_"),
        (DEMO | {"SMS_TEXT": "Welcome to {site}"}, "SMS_TEXT must hold {code}"),
        (DEMO | {"SMS_TEXT_RU": "Код: {код}"}, "SMS_TEXT_RU must hold {code}"),
        (DEMO | {"SMS_TEXT": "{code}\n@zovi.example #1"}, "SMS_TEXT has a line that begins with @"),
        (DEMO | {"SMS_WEBOTP": "maybe"}, "SMS_WEBOTP must be 0 or 1"),
        (DEMO | {"SMS_GUARD": "block"}, "SMS_GUARD must be one of deny, off, record"),
        (DEMO | {"METRICS_TOKEN": "m" * 19}, "METRICS_TOKEN must be 20 or more letters"),
        (DEMO | {"SMS_COST": "3.5"}, "SMS_COST must hold prices by region"),
        (DEMO | {"SMS_COST": "XX:3.5"}, "SMS_COST must hold prices by region"),
        (DEMO | {"SMS_COST": "RU:-1"}, "SMS_COST must hold prices by region"),
        (DEMO | {"SMS_COST": "RU:1,RU:2"}, "SMS_COST names RU twice"),
        (DEMO | {"SMS_SUCCESS": "OK"}, "SMS_SUCCESS is for json, form and xml"),
        (DEMO | TESTS | {"TEST_NUMBERS_UNTIL": ""}, "TEST_NUMBERS_UNTIL, their last day, is missing"),
        (DEMO | TESTS | {"TEST_NUMBERS_UNTIL": "2030-01-01"}, "TEST_NUMBERS_UNTIL must be at most 180 days ahead"),
        (DEMO | TESTS | {"TEST_NUMBERS_UNTIL": "soon"}, "TEST_NUMBERS_UNTIL must be a day"),
        (DEMO | TESTS | {"TEST_NUMBERS": "+79990000001"}, "TEST_NUMBERS, number 1: it must be in E.164"),
        (DEMO | TESTS | {"TEST_NUMBERS": "89990000001:490731"}, "number 1: it must be in E.164"),
        (DEMO | TESTS | {"TEST_NUMBERS": "+7 999:490731"}, "number 1: it must be in E.164"),
        (DEMO | TESTS | {"TEST_NUMBERS": "+79990000001:490"}, "number 1: it must be in E.164"),
        (DEMO | TESTS | {"TEST_NUMBERS": "+79990000001:490731490"}, "number 1: it must be in E.164"),
        (DEMO | TESTS | {"TEST_NUMBERS": "+79990000001:490731,+79990000002:1234"}, "number 2: its code is easy"),
        (DEMO | TESTS | {"TEST_NUMBERS": "+79990000001:490731 +79990000001:490732"}, "number 2: it stands there twice"),
        (DEMO | TESTS | {"TEST_NUMBERS": ELEVEN}, "TEST_NUMBERS must hold at most 10 numbers"),
        (DEMO | {"SITE_NAME": "x" * 41}, "SITE_NAME must be one line"),
        (DEMO | {"SITE_NAME": "a\nb"}, "SITE_NAME must be one line"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unsafe_configuration_refuses_with_one_clear_line(configuration, words):
    done = start(configuration)
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert line.startswith("zovi: refusing to start: ")
    assert words in line
    assert not re.search(r"\+79990000002|490732|\b1234\b", line), "neither a number nor a code"
    for name in SECRETS:
        assert not configuration.get(name) or configuration[name] not in line or len(configuration[name]) < 10


def test_secrets_may_come_from_files(tmp_path):
    given = REAL | {
        "SECRET_KEY_FALLBACKS": "h" * 50,
        "JWT_SECRET_KEY_FALLBACKS": f"{'d' * 50}, {'e' * 50}",
        "OTP_PEPPER_FALLBACKS": f"{'f' * 50}, {'g' * 50}",
        "SMS_HOOK_SECRET": HOOK_SECRET,
        "SERVICE_KEYS": f"crm:{'k' * 40}",
        "WEBHOOK_URLS": "https://backend.example/events",
        "WEBHOOK_SECRET": HOOK_SECRET,
        "WEBHOOK_SECRET_FALLBACK": HOOK_SECRET,
        "METRICS_TOKEN": "m" * 20,
        "TEST_NUMBERS": "+79990000002:381650",
    }
    for name, value in given.items():
        (tmp_path / name).write_text(f"{value}\n")
    configuration = {f"{name}_FILE": str(tmp_path / name) for name in given} | {"TEST_NUMBERS_UNTIL": "2026-01-31"}
    assert set(given) == env.FROM_FILES
    show = (
        "from project import settings as s; print(s.SECRET_KEY, s.JWT_SECRET_KEY, s.OTP_PEPPER,"
        " *s.SECRET_KEY_FALLBACKS, s.SMS_URL,"
        " s.DATABASES['default']['NAME'], s.DATABASE_IS_EMBEDDED, s.DEMO, s.SMS_HOOK_SECRET,"
        " *s.JWT_SECRET_KEY_FALLBACKS, s.PHONE_KEY_PEPPER, *s.SERVICE_KEYS, s.WEBHOOK_URLS[0].host, *s.WEBHOOK_SECRETS,"
        " *s.TEST_NUMBERS, s.TEST_NUMBERS_UNTIL)"
    )
    shown = [*SECRETS.values(), "h" * 50, REAL["SMS_URL"], "zovi", "False", "False", HOOK_SECRET]
    shown += ["d" * 50, "e" * 50, "g" * 50]
    shown += ["crm", "backend.example", HOOK_SECRET, HOOK_SECRET, "+79990000002", "2026-01-31"]
    assert start(configuration, show).stdout.split() == shown


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY_FILE names a file that cannot be read"),
        ({"SMS_URL": "", "SMS_URL_FILE": "/nowhere"}, "SMS_URL_FILE names a file that cannot be read"),
        ({"OTP_PEPPER": SECRETS["OTP_PEPPER"], "OTP_PEPPER_FILE": __file__}, "OTP_PEPPER and OTP_PEPPER_FILE are both"),
    ],
)
def test_a_secret_whose_file_is_in_doubt_refuses_to_start(configuration, words):
    done = start(REAL | configuration)
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert line.startswith("zovi: refusing to start: ")
    assert words in line


def test_a_demo_makes_its_secrets_once(tmp_path):
    show = "from project import settings as s; print(s.SECRET_KEY, s.JWT_SECRET_KEY, s.OTP_PEPPER)"
    first, second = (start(DEMO | {"LOCAL_DIR": str(tmp_path)}, show).stdout for _ in range(2))
    assert first == second
    assert len(set(first.split())) == 3
    assert min(len(secret) for secret in first.split()) >= 50
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_limits_are_tight_in_production_and_wide_in_a_demo():
    show = (
        "from project import settings as s;"
        "print(s.OTP_RESEND_COOLDOWN, *[[r.count for r in x] for x in"
        " (s.OTP_SENDS_PER_PHONE, s.OTP_SENDS_PER_IP, s.OTP_SENDS_GLOBAL)])"
    )
    assert start(REAL, show).stdout == "60 [5, 10] [30, 100] [60, 10000]\n"
    assert start(DEMO, show).stdout == "5 [100] [1000] []\n"


def test_manage_py_and_only_it_assumes_a_demo(tmp_path):
    def run(*command):
        statement = f"import subprocess, sys; sys.exit(subprocess.call({[sys.executable, *command]!r}))"
        return start({"DATABASE_URL": REAL["DATABASE_URL"], "LOCAL_DIR": str(tmp_path)}, statement)

    assert run("manage.py", "check").returncode == 0
    refused = run("-m", "gunicorn", "--check-config", "project.wsgi")
    assert refused.returncode != 0
    assert "neither DEMO=1 nor SMS_URL is set" in refused.stderr


def test_a_reader_who_has_had_enough_gets_no_traceback():
    """As `head` does: the words end, and so does the command, as one that SIGPIPE has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as said:
        command = [sys.executable, "manage.py", "check"]
        done = subprocess.run(command, cwd=env.ROOT, env=os.environ | DEMO, stdout=said, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_every_variable_that_is_read_is_in_the_example():
    source = (env.ROOT / "project" / "settings.py").read_text()
    read = set(re.findall(r'env\.(?:\w+)\(\s*"([A-Z_]+)"', source)) | {"LOCAL_DIR"}
    read |= {f"{name}_FILE" for name in env.FROM_FILES}
    assert len(read) > 20
    assert read - set(CONFIGURED) == set()
    assert set(CONFIGURED) - read == set()


# --- .env ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("configuration", [DEMO, REAL, DEMO | {"WEB_CONCURRENCY": "3", "HOST": "::"}])
def test_a_copy_of_the_example_changes_nothing(configuration):
    with_it = start(configuration | {"ENV_FILE": str(EXAMPLE)}, EVERYTHING)
    assert with_it.stdout.count("\n") == 2, with_it.stderr
    assert with_it.stdout == start(configuration, EVERYTHING).stdout


def test_what_is_empty_is_not_set_for_libraries_either(tmp_path):
    (tmp_path / "env").write_text("WEB_CONCURRENCY=\nLOG_LEVEL=WARNING\nPORT=81\n")
    empty = dict.fromkeys(set(CONFIGURED) - set(DEMO), "") | {"ENV_FILE": str(tmp_path / "env")}
    done = start(DEMO | empty, EVERYTHING + "import gunicorn.config")
    assert done.stdout == start(DEMO, EVERYTHING).stdout, "the environment wins, also where it says: not set"


def test_the_file_fills_what_the_environment_leaves_out(tmp_path):
    (tmp_path / "env").write_text("PORT = 81\nLOG_LEVEL=WARNING\n")
    show = "from project import settings as s; print(s.PORT, s.LOG_LEVEL)"
    configuration = DEMO | {"LOG_LEVEL": "ERROR", "ENV_FILE": str(tmp_path / "env")}
    assert start(configuration, show).stdout == "81 ERROR\n"


@pytest.mark.parametrize(("named", "folder"), [("/srv/here", "/srv/here"), ("here", f"{env.ROOT}/here")])
def test_the_folder_of_this_machine_may_be_named_there_too(tmp_path, named, folder):
    (tmp_path / "env").write_text(f"LOCAL_DIR={named}\n")
    show = "from project import env; print(env.LOCAL)"
    assert start({"ENV_FILE": str(tmp_path / "env")}, show).stdout == f"{folder}\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("SMS_URL = jsons://gw.example/{phone}\nSECRET_KEY = abc\n", "SECRET_KEY is shorter than 50"),
        ("\ufeffSMS_URL=jsons://gw.example/{phone}\n", "SECRET_KEY is missing"),
        ("SMS_ULR=jsons://gw.example/{phone}\n", "env, line 1: there is no setting of this name"),
        ("SMS_URL jsons://gw.example/{phone}\n", "env, line 1: this is no NAME=value"),
        (None, "env cannot be read: No such file or directory"),
    ],
)
def test_a_file_for_a_real_gateway_never_ends_in_a_demo(tmp_path, content, words):
    path = tmp_path / "env"
    if content is not None:
        path.write_text(content)
    check = "import sys; sys.argv = ['manage.py', 'check']; import manage; manage.main()"
    done = start({"DATABASE_URL": REAL["DATABASE_URL"], "ENV_FILE": str(path)}, check)
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert line.startswith("zovi: refusing to start: ")
    assert words in line
    assert "gw.example" not in line


def test_a_folder_in_the_place_of_the_file_refuses(tmp_path):
    done = start(DEMO | {"ENV_FILE": str(tmp_path)})
    assert (done.returncode, done.stderr) == (
        1,
        f"zovi: refusing to start: {tmp_path.name} cannot be read: Is a directory\n",
    )


# --- Addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "listens", "names"),
    [
        ("0.0.0.0", "0.0.0.0", []),  # noqa: S104
        ("::", "::", []),
        ("[::1]", "::1", []),
        ("192.168.1.5", "192.168.1.5", ["192.168.1.5"]),
        ("zovi.example", "zovi.example", ["zovi.example"]),
    ],
)
def test_an_address_listened_on_is_one_it_may_be_asked_for(host, listens, names):
    show = "from project import settings as s; print([s.HOST, *s.ALLOWED_HOSTS[3:]])"
    assert start(DEMO | {"HOST": host}, show).stdout == f"{[listens, *names]}\n"


@pytest.mark.parametrize(("kind", "name"), [(DEMO, "demo"), (REAL, "zovi")])
def test_a_demo_and_a_real_gateway_share_no_database(kind, name):
    show = "from project import settings as s; print(s.DATABASES['default']['NAME'])"
    assert start(kind | {"DATABASE_URL": ""}, show).stdout == f"{name}\n"


@pytest.mark.parametrize(
    ("configuration", "issuer"),
    [
        ({}, "zovi"),
        ({"SITE_URL": "https://books.example/"}, "https://books.example"),
        ({"SITE_URL": "https://books.example", "JWT_ISSUER": "books"}, "books"),
    ],
)
def test_tokens_name_the_site_as_their_issuer(configuration, issuer):
    done = start(DEMO | configuration, "from project import settings; print(settings.JWT_ISSUER)")
    assert done.stdout.strip() == issuer
