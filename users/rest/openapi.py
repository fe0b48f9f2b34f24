"""What the OpenAPI description says of each REST call beyond what the code shows: errors and examples."""

import copy
import re

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.views import APIView

from users import errors
from users.rest import serializers as shapes

_WAITING = (errors.CodeRequestedTooSoon, errors.TooManyRequests)
EVERYWHERE = (errors.ServiceUnavailable,)
WITH_BODY = (
    errors.InvalidInput,
    errors.ParseError,
    errors.Forbidden,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
)
WITH_TOKEN = (errors.NotAuthenticated, errors.InvalidToken)
_WITH_PHONE = (errors.InvalidPhone, errors.RegionNotAllowed, errors.PhoneNotMobile)
_EXTRAS: dict[type[errors.DomainError], dict[str, object]] = {
    errors.InvalidInput: {"fields": {"field": ["This field is required."]}},
    errors.InvalidCode: {"attempts_left": 2},
    errors.CodeRequestedTooSoon: {"retry_after": 42},
    errors.TooManyRequests: {"retry_after": 1800},
    errors.TooManyAttempts: {"retry_after": 1800},
    errors.SMSNotSent: {"retry_after": 1},
    errors.ServiceUnavailable: {"retry_after": 1},
}
PHONE, _OTHER_PHONE = "+79136740000", "+79136740012"
_CHALLENGE = "0a5d8e0c-6b1f-4a3e-9d2b-7c1e5f8a9b30"
_SESSION = "5f0c2f5e-1f3a-4c1b-8d53-9a4d1c2b7e60"
_REFRESH = "y8hQ0Jm1SXyM1x1C2rYJ3gAAAAB2f0cYt7k0m8bq5u3n1z6x9w4v2s"
_TOKENS: dict[str, object] = {
    "phone_number": PHONE,
    "token": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.e30.signature",
    "refresh_token": _REFRESH,
    "token_type": "Bearer",
    "expires_in": 900,
}
PROFILE = {
    "id": "3b9f4c52-8a55-4f0e-9a3c-0d6f1b7e2c11",
    "phone_number": PHONE,
    "invite_code": "K7WQ2M",
    "activated_invite_code": None,
    "refs": [_OTHER_PHONE],
    "refs_count": 1,
    "invite_opened": 3,
    "refs_next": None,
}


class ErrorAnswer(serializers.Serializer):
    detail = serializers.CharField(help_text="For people, in the language of Accept-Language.")
    code = serializers.CharField(help_text="For programs. Never changes.")
    fields = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="With `invalid_input`: what is wrong with which field.",
    )
    attempts_left = serializers.IntegerField(required=False, help_text="With `invalid_code`.")
    retry_after = serializers.IntegerField(required=False, help_text="Seconds, with 429 and 503; also the header.")

    def get_fields(self):
        # `fields` is a property of every serializer, so the declared one has to come from here.
        return copy.deepcopy(self._declared_fields)  # a field knows its serializer, so each needs its own


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "users.rest.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema):
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `token` of `POST /api/users/auth/`.",
        }


def _example(error: type[errors.DomainError]) -> OpenApiExample:
    body: dict[str, object] = {"detail": str(error.detail), "code": error.code, **_EXTRAS.get(error, {})}
    return OpenApiExample(error.code, value=body, response_only=True, status_codes=[str(error.status)])


def call(name: str, *, answer, refusals, tag="users", request=None, sends=None, gives=None, status=200, parameters=()):
    """An `extend_schema` with one response for each status of `refusals`, which names every code that has it."""
    by_status: dict[int, list] = {}
    for error in refusals:
        by_status.setdefault(error.status, []).append(error)
    responses = {status: answer or OpenApiResponse(description="Done.")}
    for code, group in sorted(by_status.items()):
        words = "; ".join(f"`{error.code}`: {error.detail}" for error in group)
        responses[code] = OpenApiResponse(ErrorAnswer, description=words)
    examples = [_example(error) for group in by_status.values() for error in group]
    if sends:
        examples.append(OpenApiExample("request", value=sends, request_only=True))
    if gives:
        examples.append(OpenApiExample("answer", value=gives, response_only=True, status_codes=[str(status)]))
    return extend_schema(
        operation_id=name,
        tags=[tag],
        request=request,
        responses=responses,
        examples=examples,
        parameters=list(parameters),
    )


send_otp = call(
    "sendOTP",
    request=shapes.SendOTPRequest,
    answer=shapes.SendOTPAnswer,
    sends={"phone_number": "8 913 674-00-00"},
    gives={
        "phone_number": PHONE,
        "otp": "0421",
        "challenge": _CHALLENGE,
        "channel": "sms",
        "expires_in": 180,
        "resend_in": 60,
    },
    refusals=(*WITH_BODY, *_WITH_PHONE, *_WAITING, errors.TooManyAttempts, errors.SMSNotSent, *EVERYWHERE),
)
auth = call(
    "auth",
    request=shapes.AuthRequest,
    answer=shapes.AuthAnswer,
    sends={"otp": "0421", "challenge": _CHALLENGE},
    gives=_TOKENS | {"is_new_user": True},
    refusals=(
        *WITH_BODY,
        *_WITH_PHONE,
        errors.ChallengeRequired,
        errors.InvalidCode,
        errors.AccountDisabled,
        errors.AccountIdle,
        errors.TooManyAttempts,
        *EVERYWHERE,
    ),
)
refresh = call(
    "refreshToken",
    request=shapes.RefreshRequest,
    answer=shapes.RefreshAnswer,
    sends={"refresh_token": _REFRESH},
    gives=_TOKENS,
    refusals=(*WITH_BODY, errors.InvalidToken, *EVERYWHERE),
)
logout = call(
    "logout",
    request=shapes.LogoutRequest,
    answer=None,
    status=204,
    sends={"everywhere": True},
    refusals=(*WITH_BODY, *WITH_TOKEN, *EVERYWHERE),
)
me = call("me", answer=shapes.ProfileAnswer, gives=PROFILE, refusals=(*WITH_TOKEN, *EVERYWHERE))


class _Me(APIView):
    """The plain view of me.py as drf-spectacular wants to see it. It is described, never called."""

    @me
    def get(self, request):
        """Your own profile, with the full numbers of those who entered your code."""


def add_plain_views(endpoints: list) -> list:
    """A hook of drf-spectacular, which finds views of DRF's only: the plain one stands before the rest of its kind."""
    position = next(number for number, (path, *_) in enumerate(endpoints) if path.startswith("/api/users/me/"))
    return [*endpoints[:position], ("/api/users/me/", "/api/users/me/", "GET", _Me.as_view()), *endpoints[position:]]


def add_summaries(result: dict, **_) -> dict:
    """A hook of drf-spectacular: each call's row says what it does, with the first words of its description."""
    for operation in (operation for path in result["paths"].values() for operation in path.values()):
        operation["summary"] = re.split(r"[.;:\n]|(?<=\?) ", operation["description"])[0]
    return result


delete_me = call(
    "deleteMe",
    request=shapes.ConfirmRequest,
    answer=None,
    status=204,
    sends={"otp": "0421", "challenge": _CHALLENGE},
    refusals=(
        *WITH_BODY,
        *WITH_TOKEN,
        errors.ChallengeRequired,
        errors.InvalidCode,
        errors.TooManyAttempts,
        *EVERYWHERE,
    ),
)
change_phone = call(
    "changePhone",
    request=shapes.ChangePhoneRequest,
    answer=shapes.ProfileAnswer,
    sends={"otp": "0421", "challenge": _CHALLENGE},
    gives=PROFILE,
    refusals=(
        *WITH_BODY,
        *WITH_TOKEN,
        errors.ChallengeRequired,
        errors.InvalidCode,
        errors.RecentSignInRequired,
        errors.PhoneTaken,
        errors.TooManyAttempts,
        *EVERYWHERE,
    ),
)
export = call("export", answer=shapes.ExportAnswer, refusals=(*WITH_TOKEN, *EVERYWHERE))
refs = call(
    "refs",
    answer=shapes.RefsAnswer,
    gives={
        "results": [{"phone_number": _OTHER_PHONE, "activated_at": "2026-01-01T12:00:00Z"}],
        "next": None,
        "previous": None,
    },
    parameters=[OpenApiParameter("cursor", str, description="From `next` or `previous`.")],
    refusals=(errors.InvalidInput, *WITH_TOKEN, *EVERYWHERE),
)
sessions = call(
    "sessions",
    answer=shapes.SessionsAnswer,
    gives={
        "results": [
            {
                "id": _SESSION,
                "browser": "Chrome, Android",
                "address": "203.0.113.5",
                "signed_in_at": "2026-01-01T12:00:00Z",
                "last_seen_at": "2026-01-01T12:30:00Z",
                "current": True,
            }
        ],
        "next": None,
        "previous": None,
    },
    parameters=[OpenApiParameter("cursor", str, description="From `next` or `previous`.")],
    refusals=(errors.InvalidInput, *WITH_TOKEN, *EVERYWHERE),
)
end_session = call(
    "endSession",
    answer=None,
    status=204,
    parameters=[OpenApiParameter("session_id", str, OpenApiParameter.PATH, description="From `sessions`.")],
    refusals=(*WITH_TOKEN, errors.NotFound, *EVERYWHERE),
)
user_profile = call(
    "userPage",
    answer=shapes.ProfileAnswer,
    gives=PROFILE | {"phone_number": "+7 913 ***-**-00", "refs": ["+7 913 ***-**-12"]},
    parameters=[OpenApiParameter("user_id", str, OpenApiParameter.PATH, description="The user's id, a UUID.")],
    refusals=(*WITH_TOKEN, errors.NotFound, *EVERYWHERE),
)
referal = call(
    "referal",
    request=shapes.ReferalRequest,
    answer=shapes.ReferalAnswer,
    sends={"activated_invite_code": "k7w-q2m"},
    gives={"phone_number": _OTHER_PHONE, "activated_invite_code": "K7WQ2M", "you_invited_by": "+7 913 ***-**-00"},
    refusals=(
        *WITH_BODY,
        *WITH_TOKEN,
        *_WITH_PHONE,
        errors.OwnInvite,
        errors.NotYourPhone,
        errors.InviteNotFound,
        errors.InviteAlreadyActivated,
        errors.TooManyAttempts,
        *EVERYWHERE,
    ),
)
