"""Which gateways are asked, in which order, and which lists of them refuse to start."""

from contextlib import ExitStack

import pytest

from tests.support.gateways import closed_port, gateway_stand_in
from tests.support.people import ALICE
from users import errors, sms
from users.sms import gateways, routes

SID = f"AC{'a' * 32}"
IN_KAZAKHSTAN = "+77012345678"
HOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def three(settings):
    """Three gateways, each a route."""
    with ExitStack() as stack:
        servers = [stack.enter_context(gateway_stand_in()) for _ in range(3)]
        settings.DEMO, settings.SMS_URL = False, "\n ".join(server.url for server in servers)
        yield servers


def send(phone=ALICE, attempt=0):
    return sms.send(sms.Message(phone, "0421", "a-challenge", host="zovi.example", attempt=attempt))


def asked(servers) -> list[int]:
    return [len(server.posts) for server in servers]


def start(settings, url, **others):
    settings.DEMO, settings.SMS_URL = False, url
    for name, value in others.items():
        setattr(settings, name, value)
    sms.require_gateway()


# --- In order ------------------------------------------------------------------------------------------------------


def test_the_first_route_is_asked_and_no_other(three):
    send()
    assert asked(three) == [1, 0, 0]


def test_one_that_refuses_for_certain_hands_over(three, caplog):
    three[0].status, three[1].status = 503, 302
    assert send().route == "json"
    assert asked(three) == [1, 1, 1]
    answers = [record.facts for record in caplog.records if record.msg == "route_answered"]
    assert [(facts["number"], facts["outcome"]) for facts in answers] == [(1, "refused"), (2, "refused"), (3, "sent")]


def test_one_that_is_not_there_hands_over(three, settings):
    settings.SMS_URL = f"json://127.0.0.1:{closed_port()}/{{phone}} {three[1].url}"
    send()
    assert asked(three) == [0, 1, 0]


def test_one_that_leaves_us_in_doubt_does_not(three, monkeypatch):
    monkeypatch.setattr(sms, "SECONDS", 0.2)
    three[0].delay = 3.0
    send()
    assert asked(three) == [1, 0, 0]


def test_no_route_is_asked_when_the_time_is_over(three, monkeypatch):
    monkeypatch.setattr(sms, "SECONDS", 0.0)
    with pytest.raises(errors.SMSNotSent):
        send()
    assert asked(three) == [0, 0, 0]


@pytest.mark.parametrize(("attempt", "expected"), [(0, 0), (1, 1), (2, 2), (3, 0), (7, 1)])
def test_a_resend_starts_one_further(three, attempt, expected):
    send(attempt=attempt)
    assert [number for number, count in enumerate(asked(three)) if count] == [expected]


def test_a_resend_comes_round_to_the_first(three):
    three[1].status = three[2].status = 500
    send(attempt=1)
    assert asked(three) == [1, 1, 1]


def test_when_all_refuse_the_shortest_wait_is_told(three):
    for server, seconds in zip(three, ("90", "30", "60"), strict=True):
        server.status, server.headers = 429, {"Retry-After": seconds}
    with pytest.raises(errors.SMSNotSent) as refusal:
        send()
    assert refusal.value.extra == {"retry_after": 30}
    assert asked(three) == [1, 1, 1]


# --- By region -----------------------------------------------------------------------------------------------------


def test_a_route_serves_its_regions_only(three, settings):
    settings.SMS_URL = f"KZ,BY|{three[0].url} RU|{three[1].url} {three[2].url}"
    send()
    send(IN_KAZAKHSTAN)
    send("+4915112345678")
    assert asked(three) == [1, 1, 1]
    send(attempt=1)
    assert asked(three) == [1, 1, 2]


def test_a_number_no_route_serves_is_refused_and_nothing_is_asked(three, settings):
    settings.SMS_URL = f"KZ|{three[0].url}"
    with pytest.raises(errors.RegionNotAllowed):
        send()
    assert asked(three) == [0, 0, 0]


# --- What does not start -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"twilio://{SID}:{SID[2:]}@+15550001111/{{phone}}",
        "smsc://login:password@{phone}",
        "seven://apikey0123456789/{phone}",
        "sns://AHIAJGNT76XIMXDBIJYA/bu1dHSdO22pfaaVy/us-east-2/{phone}",
        "clicksend://user:password@{phone}",
        "smseagle://token@127.0.0.1/{phone}",
        "json://gateway.example/sms/{phone}",
        "json://gateway.example/sms?:to={phone}",
        "json://gateway.example/sms?+X-To={phone}",
        "form://gateway.example/sms",
        "KZ|xml://gateway.example/{phone} hook+http://127.0.0.1:9/",
        "hook+http://localhost/ hook+http://[::1]:9/",
        "hook+https://gate.example.com/send",
    ],
)
def test_a_way_to_the_recipient_starts(settings, url):
    start(settings, url, SMS_HOOK_SECRET=HOOK_SECRET)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "names no gateway"),
        ("nonsense://host/{phone}", "names no gateway"),
        (f"twilio://{SID}:{SID[2:]}@+15550001111/+15550002222", "names no gateway"),
        (f"twilio://{SID}:{SID[2:]}@{{phone}}", "names no gateway"),  # the sender, who would be written to
        ("seven://apikey0123456789/?from={phone}", "names no gateway"),
        ("freemobile://user@password/{phone}", "names no gateway"),  # always to its owner
        ("json://gateway.example/sms?to={phone}", "names no gateway"),  # apprise drops what it does not know
        ("json://gateway.example/sms?{phone}", "names no gateway"),  # as the name of a header, with nothing in it
        ("json://{phone}@gateway.example/sms", "names no gateway"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/{phone}", "names no gateway"),  # a channel of this name
        ("json://gateway.example/sms#{phone}", "names no gateway"),
        ("mailto://user:password@gmail.com?to=x{phone}@gateway.example", "names no gateway"),  # nothing bounds it
        ("whapi://token/12{phone}12345", "names no gateway"),  # kept, but as no number it could call
        ("smpp://user:password@gateway.example/15550001111/{phone}", "names no gateway"),
        ("json://gateway.example/{phone} nonsense", "names no gateway"),
        ("ru|json://gateway.example/{phone}", "names no gateway"),
        ("RU,XX|json://gateway.example/{phone}", "no region XX"),
        ("hook+http://gate.example.com/send", "for loopback only"),
        ("hook+http://192.168.0.7/send", "for loopback only"),
        ("hook+https:///send", "a hook is an address"),
    ],
)
def test_no_way_to_the_recipient_refuses_to_start(settings, url, why):
    with pytest.raises(ValueError, match=why) as refusal:
        start(settings, url, SMS_HOOK_SECRET=HOOK_SECRET)
    assert "gateway.example" not in str(refusal.value)


def test_a_hook_without_a_secret_refuses_to_start(settings):
    with pytest.raises(ValueError, match="SMS_HOOK_SECRET is missing"):
        start(settings, "hook+https://gate.example.com/send", SMS_HOOK_SECRET="")


def test_a_region_that_is_allowed_and_not_served_refuses_to_start(settings):
    with pytest.raises(ValueError, match="allows KZ, but no route"):
        start(settings, "RU|json://gateway.example/{phone}", PHONE_ALLOWED_REGIONS=["RU", "KZ"])
    start(settings, "RU|json://a.example/{phone} json://b.example/{phone}", PHONE_ALLOWED_REGIONS=["RU", "KZ"])


def test_a_success_nothing_is_asked_for_refuses_to_start(settings):
    with pytest.raises(ValueError, match="SMS_SUCCESS is for json"):
        start(settings, "smsc://login:password@{phone}", SMS_SUCCESS="OK")


def test_every_sms_gateway_of_apprise_can_be_bounded():
    from importlib import import_module
    from pathlib import Path

    import apprise.plugins

    folder = Path(apprise.plugins.__file__).parent
    names = [path.stem for path in folder.glob("*.py") if "is_phone_no" in path.read_text()]
    unbounded = [name for name in names if not hasattr(import_module(f"apprise.plugins.{name}"), "requests")]
    assert len(names) > 28
    assert unbounded == ["smpp"]


def test_what_a_route_shows_of_itself_is_no_secret(settings):
    settings.DEMO, settings.SMS_URL = False, "RU|smsc://login:password@{phone}"
    [route] = routes.all_of_them()
    assert (route.number, route.scheme, route.regions) == (1, "smsc", {"RU"})
    assert "password" not in repr(route)
    assert {"json", "jsons", "form", "forms", "xml", "xmls"} == gateways.TITLED
