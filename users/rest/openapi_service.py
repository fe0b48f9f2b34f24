"""What the OpenAPI description says of the calls for one's own backend."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter

from users import errors
from users.rest import serializers as shapes
from users.rest.openapi import EVERYWHERE, PHONE, PROFILE, WITH_BODY, WITH_TOKEN, call

_USER = "3b9f4c52-8a55-4f0e-9a3c-0d6f1b7e2c11"
_MEMBER = PROFILE | {"is_active": True, "created_at": "2026-01-01T12:00:00Z"}
_WITH_KEY = (*WITH_TOKEN, errors.TooManyAttempts, *EVERYWHERE)
_ID = OpenApiParameter("user_id", str, OpenApiParameter.PATH, description="The user's id, a UUID.")


class ServiceScheme(OpenApiAuthenticationExtension):
    target_class = "users.rest.authentication.ServiceAuthentication"
    name = "service"

    def get_security_definition(self, auto_schema):
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Service <secret>`, with the secret of one of SERVICE_KEYS.",
        }


def _of_user(name: str, **rest):
    refusals = (*_WITH_KEY, errors.NotFound, *rest.pop("refusals", ()))
    return call(name, tag="service", parameters=[_ID], refusals=refusals, **rest)


member = _of_user("serviceUser", answer=shapes.MemberAnswer, gives=_MEMBER)
disable = _of_user("serviceDisable", answer=shapes.MemberAnswer, gives=_MEMBER | {"is_active": False})
enable = _of_user("serviceEnable", answer=shapes.MemberAnswer, gives=_MEMBER)
member_refs = call(
    "serviceUserRefs",
    tag="service",
    answer=shapes.RefsAnswer,
    parameters=[_ID, OpenApiParameter("cursor", str, description="From `next` or `previous`.")],
    refusals=(errors.InvalidInput, *_WITH_KEY, errors.NotFound),
)
find = call(
    "serviceFind",
    tag="service",
    request=shapes.FindRequest,
    answer=shapes.MemberAnswer,
    sends={"phone_number": PHONE},
    gives=_MEMBER,
    refusals=(*WITH_BODY, *_WITH_KEY, errors.InvalidPhone, errors.NotFound),
)
introspect = call(
    "introspect",
    tag="service",
    request=shapes.IntrospectRequest,
    answer=shapes.IntrospectAnswer,
    sends={"token": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.e30.signature"},
    gives={
        "active": True,
        "sub": _USER,
        "sid": "0a5d8e0c-6b1f-4a3e-9d2b-7c1e5f8a9b30",
        "iat": 1767268800,
        "exp": 1767269700,
        "client_id": "zovi",
        "token_type": "Bearer",
    },
    refusals=(*WITH_BODY, *_WITH_KEY),
)
events = call(
    "events",
    tag="service",
    answer=shapes.EventsAnswer,
    parameters=[shapes.EventsQuery],
    gives={
        "results": [
            {
                "id": "0a5d8e0c-6b1f-4a3e-9d2b-7c1e5f8a9b30",
                "type": "user.created",
                "timestamp": "2026-01-01T12:00:00Z",
                "data": {"user_id": _USER, "invite_code": "K7WQ2M"},
            }
        ],
        "next": "1042",
    },
    refusals=(errors.InvalidInput, *_WITH_KEY),
)
