"""GraphQL over HTTP: what a request asks for, and what an answer looks like.

https://graphql.github.io/graphql-over-http/draft/ -- whoever accepts its media type gets it; its statuses are ours.
"""

from types import NoneType
from typing import NamedTuple

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from schema import errors
from users import callers
from users.errors import DomainError, InvalidInput, JSONOnly, MethodNotAllowed, ParseError

JSON, RESPONSE = "application/json", "application/graphql-response+json"
_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "query": str,
    "variables": (dict, NoneType),
    "operationName": (str, NoneType),
}


class Asked(NamedTuple):
    query: str
    variables: dict | None
    operation_name: str | None


def read(request: HttpRequest) -> Asked:
    """Raises MethodNotAllowed, JSONOnly, ParseError, InvalidInput."""
    if request.method == "POST":
        asked = _of_body(request)
    elif request.method == "GET" and "query" in request.GET:
        asked = _of_address(request)
    else:
        raise MethodNotAllowed(allowed=("GET", "POST"))
    wrong = [name for name, kind in _MEMBERS.items() if not isinstance(asked.get(name), kind)]
    if wrong:
        raise InvalidInput(fields={name: [_("This is missing or has a wrong type.")] for name in wrong})
    # Some clients name the operation that has no name: "" is nobody's.
    return Asked(asked["query"], asked.get("variables"), asked.get("operationName") or None)


def _of_body(request: HttpRequest) -> dict:
    if request.content_type != JSON:
        raise JSONOnly()
    body = callers.json_of(request.body)
    if not isinstance(body, dict):  # an array would be a batch: each of its operations a try of its own
        raise ParseError()
    return body


def _of_address(request: HttpRequest) -> dict:
    """`?query=…&operationName=…&variables=…`, the last in JSON; an empty one is none."""
    given = {name: value for name, value in request.GET.items() if value}
    if "variables" in given:
        given["variables"] = callers.json_of(given["variables"].encode())
    return given


def answer(request: HttpRequest, body: dict, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(orjson.dumps(body), _media_type(request), status, headers=headers)


def refusal(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The answer to a request that never came to be executed."""
    return answer(request, {"errors": [errors.show(error)]}, error.status, error.headers())


def _media_type(request: HttpRequest) -> str:
    named = RESPONSE in request.META.get("HTTP_ACCEPT", "")
    return RESPONSE if named and request.accepts(RESPONSE) else JSON
