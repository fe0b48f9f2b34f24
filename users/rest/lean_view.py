"""The fast path of the REST door: an ordinary request goes without what DRF does for unusual ones."""

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.serializers import Serializer, ValidationError
from rest_framework.views import APIView

from users import callers, tokens
from users.errors import DomainError

_LEAN = {"GET", "HEAD", "POST", "DELETE"}


class Unusual(Exception):
    """A body DRF has to look at: a form, or one with a mistake in it that wants to be explained."""


class LeanView(APIView):
    """A method first gets Django's own request, with `user` set unless the view is for everybody or the method is
    `identifying`. Nothing else of DRF's is asked: no permissions, no throttles.

    DRF's request, negotiation, serializers and response cost more than what is done for most calls. Where a call is
    unusual or refused, DRF takes over, so that there is one place which reads forms and explains mistakes. A method
    that has a body reads it first of all, because after `Unusual` it is called again with DRF's request.
    """

    # The methods that find out themselves who is asking.
    identifying: frozenset[str] = frozenset()
    _refusal: Exception | None = None

    def dispatch(self, request: HttpRequest, *args, **kwargs):
        method = getattr(self, request.method.lower(), None) if request.method in _LEAN else None
        if method:
            try:
                if self.authentication_classes and request.method not in self.identifying:
                    request.user = tokens.authenticate(callers.authorization_of(request))
                return method(request, *args, **kwargs)
            except Unusual:
                pass
            except (DomainError, OperationalError, InterfaceError) as refusal:
                self._refusal = refusal
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args, **kwargs) -> None:
        if self._refusal:
            raise self._refusal
        super().initial(request, *args, **kwargs)


def read(serializer_class: type[Serializer], request: HttpRequest | Request) -> dict:
    """The body's fields, none of which has validators. Raises Unusual, or with DRF's request its ValidationError,
    ParseError, UnsupportedMediaType."""
    if isinstance(request, Request):
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data
    body = _object(request)
    fields = serializer_class._declared_fields
    if any(field.required and name not in body for name, field in fields.items()):
        raise Unusual()
    try:
        return {name: field.to_internal_value(body[name]) for name, field in fields.items() if name in body}
    except ValidationError:
        raise Unusual() from None


def _object(request: HttpRequest) -> dict:
    if request.content_type != "application/json":
        raise Unusual()
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Unusual() from None
    if not isinstance(body, dict):
        raise Unusual()
    return body


def show(body: dict | None) -> HttpResponse:
    """None is shown as 204, without a body."""
    if body is None:
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response
    return HttpResponse(orjson.dumps(body), content_type="application/json")
