"""What a developer adds in Django REST framework's own way holds for every kind of body, or does not start."""

import json
import logging
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.http import Http404  # noqa: TID251
from django.test.client import MULTIPART_CONTENT, encode_multipart
from rest_framework import exceptions, parsers, permissions, renderers, serializers, throttling

from tests.support.people import ALICE
from users import errors
from users.models import Challenge
from users.rest import me, views
from users.rest.serializers import SendOTPRequest

pytestmark = pytest.mark.django_db
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", MULTIPART_CONTENT
KINDS = {
    JSON: json.dumps,
    FORM: urlencode,
    MULTIPART: lambda fields: encode_multipart("BoUnDaRyStRiNg", fields),
}


class Nobody(permissions.BasePermission):
    def has_permission(self, request, view) -> bool:
        return False


class NobodyAndWhy(Nobody):
    message, code = "Not on a Sunday.", "closed"


class Never(throttling.BaseThrottle):
    def allow_request(self, request, view) -> bool:
        return False

    def wait(self) -> float:
        return 6.5


class Shout(renderers.BaseRenderer):
    media_type, format = "text/plain", "txt"

    def render(self, data, accepted_media_type=None, renderer_context=None) -> bytes:
        return data["phone_number"].encode()


@pytest.fixture(params=KINDS, ids=["json", "form", "multipart"])
def send(request, api):
    """send(): ask for a code for Alice, in each kind of body."""
    write = KINDS[request.param]
    return lambda: api.generic("POST", "/api/users/send_otp/", write({"phone_number": ALICE}), request.param)


def refused(answer) -> tuple[int, dict]:
    assert answer["Content-Type"] == "application/json"
    assert not Challenge.objects.exists()
    return answer.status_code, answer.json()


@pytest.fixture
def plant(monkeypatch):
    return lambda name, value: monkeypatch.setattr(views.SendOTP, name, value)


def test_a_permission_holds(send, plant):
    plant("permission_classes", (Nobody,))
    assert refused(send()) == (403, errors.Forbidden().body())


def test_a_permission_may_say_why(send, plant):
    plant("permission_classes", (NobodyAndWhy,))
    assert refused(send()) == (403, {"detail": "Not on a Sunday.", "code": "closed"})


def test_an_authentication_holds(send, plant):
    class Broken(views.APIView.authentication_classes[0]):
        def authenticate(self, request):
            raise exceptions.AuthenticationFailed()

    plant("authentication_classes", (Broken,))
    assert refused(send()) == (401, errors.InvalidToken().body())


def test_a_throttle_holds_and_says_when_to_come_back(send, plant):
    plant("throttle_classes", (Never,))
    answer = send()
    assert refused(answer) == (429, errors.TooManyRequests(retry_after=7).body())
    assert answer["Retry-After"] == "7"


@pytest.mark.parametrize("field", [serializers.CharField(max_length=3), serializers.ChoiceField(["+1"])])
def test_the_options_of_a_field_hold(send, monkeypatch, field):
    monkeypatch.setitem(SendOTPRequest._declared_fields, "phone_number", field)
    status, body = refused(send())
    assert (status, body["code"], list(body["fields"])) == (400, "invalid_input", ["phone_number"])


@pytest.mark.parametrize("method", ["validate_phone_number", "validate"])
def test_a_validation_of_a_serializer_holds(send, monkeypatch, method):
    def validate(self, value):
        raise serializers.ValidationError("Not this one.")

    monkeypatch.setattr(SendOTPRequest, method, validate, raising=False)
    name = "phone_number" if method == "validate_phone_number" else "non_field_errors"
    status, body = refused(send())
    assert (status, body["code"], body["fields"]) == (400, "invalid_input", {name: ["Not this one."]})


@pytest.mark.parametrize("name", ["initial", "http_method_names"])
def test_the_rest_of_a_view_holds(send, plant, name):
    def initial(self, request, *args, **kwargs):
        raise exceptions.NotFound()

    plant(name, initial if name == "initial" else ["get"])
    assert refused(send())[1]["code"] == ("not_found" if name == "initial" else "method_not_allowed")


@pytest.mark.parametrize(("kind", "status"), [(JSON, 415), (FORM, 200), (MULTIPART, 415)])
def test_the_parsers_of_a_view_hold(api, plant, kind, status):
    plant("parser_classes", (parsers.FormParser,))
    body = KINDS[kind]({"phone_number": ALICE})
    assert api.generic("POST", "/api/users/send_otp/", body, kind).status_code == status


def test_the_renderers_of_a_view_hold_and_errors_stay_json(send, plant, settings):
    plant("renderer_classes", (Shout,))
    answer = send()
    assert (answer.status_code, answer["Content-Type"], answer.content) == (
        200,
        "text/plain; charset=utf-8",
        ALICE.encode(),
    )
    settings.OTP_RESEND_COOLDOWN = 60
    assert send().json()["code"] == "code_requested_too_soon"


# --- Errors of others -----------------------------------------------------------------------------------------------


class Teapot(exceptions.APIException):
    status_code, default_code, default_detail = 418, "teapot", "Short and stout."


class Broken(exceptions.APIException):
    status_code, default_code, default_detail = 507, "full", "No room left."


class Gone(exceptions.NotFound):
    status_code, default_code, default_detail = 410, "gone", "It was here."


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (Teapot(), 418, {"detail": "Short and stout.", "code": "teapot"}),
        (Teapot("Tip me over.", "spout"), 418, {"detail": "Tip me over.", "code": "spout"}),
        (Gone(), 410, {"detail": "It was here.", "code": "gone"}),
        (
            exceptions.NotAcceptable(),
            406,
            {"detail": exceptions.NotAcceptable.default_detail, "code": "not_acceptable"},
        ),
        (exceptions.Throttled(wait=3), 429, errors.TooManyRequests(retry_after=3).body()),
        (exceptions.Throttled(), 429, errors.TooManyRequests(retry_after=1).body()),
        (exceptions.ValidationError("No."), 400, errors.InvalidInput(fields={"non_field_errors": ["No."]}).body()),
        (exceptions.ValidationError({"a": "No."}), 400, errors.InvalidInput(fields={"a": ["No."]}).body()),
        (Http404(), 404, errors.NotFound().body()),
        (OperationalError(ALICE), 503, errors.ServiceUnavailable(retry_after=1).body()),
        (RuntimeError(ALICE), 500, errors.ServerError().body()),
    ],
)
def test_every_error_keeps_its_status_and_has_a_word(send, plant, error, status, body):
    def post(self, request):
        raise error

    plant("post", post)
    assert refused(send()) == (status, body)


def test_an_error_of_the_server_is_logged_whoever_raises_it(send, plant, caplog):
    def post(self, request):
        raise Broken()

    plant("post", post)
    with caplog.at_level(logging.ERROR, "users.rest"):
        assert refused(send()) == (507, {"detail": "No room left.", "code": "full"})
    [record] = [record for record in caplog.records if record.name == "users.rest.errors"]
    assert record.getMessage() == "Broken in SendOTP"


# --- The plain view -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("permission_classes", (Nobody,)),
        ("throttle_classes", (Never,)),
        ("authentication_classes", ()),
        ("parser_classes", ()),
        ("renderer_classes", (Shout,)),
    ],
)
def test_a_plain_view_that_asks_for_what_is_djangos_rest_frameworks_does_not_start(name, value):
    with pytest.raises(ImproperlyConfigured, match=name):
        type("Other", (me.PlainView,), {name: value})
    with pytest.raises(TypeError, match=name):
        me.Me.as_view(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFAULT_THROTTLE_CLASSES", ["rest_framework.throttling.AnonRateThrottle"]),
        ("DEFAULT_PERMISSION_CLASSES", ["rest_framework.permissions.IsAdminUser"]),
        ("DEFAULT_AUTHENTICATION_CLASSES", ["rest_framework.authentication.BasicAuthentication"]),
        ("DEFAULT_RENDERER_CLASSES", ["rest_framework.renderers.JSONRenderer"]),
    ],
)
def test_nor_does_it_with_defaults_it_would_not_obey(settings, name, value):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {name: value}
    with pytest.raises(ImproperlyConfigured, match=name):
        type("Other", (me.PlainView,), {})


def test_the_plain_view_answers_other_methods_as_the_others_do(api):
    for method in ("post", "put", "patch", "delete", "options", "trace"):
        anonymous = getattr(api, method)("/api/users/me/")
        assert (anonymous.status_code, anonymous.json()["code"]) == (401, "not_authenticated")
        assert (anonymous.json(), anonymous["WWW-Authenticate"]) == (
            getattr(api, method)("/api/users/me/export/").json(),
            'Bearer realm="zovi"',
        )
