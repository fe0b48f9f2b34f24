"""The REST door's one place that shows errors."""

import logging
from collections.abc import Callable

from rest_framework import exceptions
from rest_framework.response import Response

from users import errors
from users.rest.content import JSONRenderer

logger = logging.getLogger(__name__)

# How a service's arguments are called here.
FIELD_NAMES = {"code": "otp", "phone": "phone_number", "invite_code": "activated_invite_code"}
_SAME_ERROR: dict[type[exceptions.APIException], Callable[[], errors.DomainError]] = {
    exceptions.ParseError: errors.ParseError,
    exceptions.NotAuthenticated: errors.NotAuthenticated,
    exceptions.AuthenticationFailed: errors.InvalidToken,
    exceptions.PermissionDenied: errors.Forbidden,
    exceptions.NotFound: errors.NotFound,
    exceptions.MethodNotAllowed: errors.MethodNotAllowed,
    exceptions.UnsupportedMediaType: errors.UnsupportedMediaType,
}


class InItsOwnWords(errors.DomainError):
    """An error of DRF's kind that nothing of ours stands for."""

    def __init__(self, error: exceptions.APIException):
        codes = error.get_codes()
        self.code = codes if isinstance(codes, str) else error.default_code
        self.status, self.detail = error.status_code, str(error.detail)
        super().__init__()


def show_error(error: Exception, context: dict) -> Response | None:
    """DRF's exception handler: every error of this API is `{"detail", "code", …}`.

    None for what is neither a refusal of ours nor of DRF's: that goes on to the layer around the API.
    """
    shown = _as_domain_error(error)
    if shown is None:
        return None
    if shown.status >= 500 and isinstance(error, exceptions.APIException):
        logger.error("%s in %s", type(error).__name__, type(context["view"]).__name__, exc_info=error)
    body = shown.body()
    if "fields" in body:
        body["fields"] = {
            _name_of(name, context): [str(reason) for reason in reasons] for name, reasons in body["fields"].items()
        }
    request = context["request"]  # in JSON, whatever its view shows when nothing goes wrong
    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    return Response(body, status=shown.status, headers=shown.headers())


def _name_of(field: str, context: dict) -> str:
    """What that view's callers call it."""
    return getattr(context["view"], "field_names", FIELD_NAMES).get(field, field)


def _as_domain_error(error: Exception) -> errors.DomainError | None:
    match error:
        case errors.DomainError():
            return error
        case exceptions.ValidationError():
            return errors.InvalidInput(fields=_by_field(error.detail))
        case exceptions.Throttled():
            return errors.TooManyRequests(retry_after=error.wait or 1)
        case exceptions.APIException():
            return _same_error(error) or InItsOwnWords(error)
    return None


def _by_field(detail: dict | list) -> dict[str, list]:
    """Field by field, whatever shape a serializer gave its complaints."""
    if not isinstance(detail, dict):
        return {"non_field_errors": list(detail)}
    return {name: reasons if isinstance(reasons, list) else [reasons] for name, reasons in detail.items()}


def _same_error(error: exceptions.APIException) -> errors.DomainError | None:
    """Ours in the place of DRF's, unless a view or a permission has given it a code or words of its own."""
    ours = _SAME_ERROR.get(type(error))
    if ours is None or (ours is errors.Forbidden and error.detail != error.default_detail):
        return None
    return ours()
