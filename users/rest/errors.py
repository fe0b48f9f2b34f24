"""What DRF does for the calls `lean_view` leaves to it, and the one place that shows errors."""

import logging

import orjson
from django.db import InterfaceError, OperationalError
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from users import callers, errors, tokens
from users.models import User

logger = logging.getLogger(__name__)

# How a service's arguments are called here.
FIELD_NAMES = {"code": "otp", "phone": "phone_number", "invite_code": "activated_invite_code"}
_SAME_ERROR = {
    exceptions.ParseError: errors.ParseError,
    exceptions.NotAuthenticated: errors.NotAuthenticated,
    exceptions.AuthenticationFailed: errors.InvalidToken,
    exceptions.PermissionDenied: errors.Forbidden,
    exceptions.NotFound: errors.NotFound,
    exceptions.MethodNotAllowed: errors.MethodNotAllowed,
    exceptions.UnsupportedMediaType: errors.UnsupportedMediaType,
}


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`. No cookie gives identity here, so there is nothing for CSRF to steal."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        authorization = callers.authorization_of(request)
        return (tokens.authenticate(authorization), "token") if authorization else None

    def authenticate_header(self, request: Request) -> str:
        return errors.NotAuthenticated().headers()["WWW-Authenticate"]


def show_error(error: Exception, context: dict) -> Response | None:
    """DRF's exception handler: every error of this API is `{"detail", "code", …}`."""
    shown = _as_domain_error(error)
    if shown is None:
        return None
    body = shown.body()
    if "fields" in body:
        body["fields"] = {
            FIELD_NAMES.get(name, name): [str(reason) for reason in reasons] for name, reasons in body["fields"].items()
        }
    request = context["request"]  # in JSON, whatever its view shows when nothing goes wrong
    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    return Response(body, status=shown.status, headers=shown.headers())


def _as_domain_error(error: Exception) -> errors.DomainError | None:
    if isinstance(error, errors.DomainError):
        return error
    if isinstance(error, exceptions.ValidationError):
        return errors.InvalidInput(fields=dict(error.detail))
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.error("the database does not answer: %s", type(error).__name__)
        return errors.ServiceUnavailable(retry_after=1)
    same = _SAME_ERROR.get(type(error))
    return same() if same else None


class AlwaysJSON(DefaultContentNegotiation):
    """There is one format, so Accept and `?format=` have nothing to choose from."""

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError:
            raise exceptions.ParseError() from None


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data, accepted_media_type=None, renderer_context=None) -> bytes:
        return orjson.dumps(data, default=str)
