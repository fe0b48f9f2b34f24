"""The GraphQL door: JSON over POST, one operation a request. Who is asking says the Authorization header alone."""

from types import NoneType
from typing import NamedTuple

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from graphql import ExecutionResult, GraphQLError, execute_sync

from schema import documents, graphiql
from schema.errors import format_error, show, show_refused
from schema.execution import Execution
from users import callers, services, tokens
from users.clients import Client
from users.errors import (
    DomainError,
    GraphQLValidationFailed,
    InvalidInput,
    JSONOnly,
    MethodNotAllowed,
    ParseError,
)
from users.models import User


class Context:
    """What resolvers may know of a request, looked up when one asks: a bad token stops only who needs a good one.

    Django's cached_property and not Python's: before 3.12 that one makes all threads take turns.
    """

    def __init__(self, request: HttpRequest):
        self._request = request
        self.sent_challenge: str | None = None

    @cached_property
    def user(self) -> User:
        """Raises NotAuthenticated, InvalidToken."""
        return tokens.authenticate(callers.authorization_of(self._request))

    @cached_property
    def profile(self) -> services.Profile:
        """The caller's own, read with a check of the session on the way. Raises as `user` does."""
        return services.own_profile(authorization=callers.authorization_of(self._request))

    @cached_property
    def client(self) -> Client:
        return callers.client_of(self._request)

    def challenge(self, given: str | None) -> str | None:
        return callers.challenge_of(self._request, given)


_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "query": str,
    "variables": (dict, NoneType),
    "operationName": (str, NoneType),
}


class Asked(NamedTuple):
    query: str
    variables: dict | None
    operation_name: str | None


# A page of another site can neither send JSON here unasked nor set the header that gives identity: nothing to forge.
@csrf_exempt
def graphql(request: HttpRequest) -> HttpResponse:
    """POST: execute. GET by a browser, in a demo: GraphiQL."""
    if settings.DEMO and request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return graphiql.page(request)
    if request.method != "POST":
        return refusal(MethodNotAllowed(), {"Allow": "POST"})
    try:
        asked = _read(request)
    except DomainError as error:
        return refusal(error)
    return _execute(asked, Context(request))


def refusal(error: DomainError, headers: dict[str, str] | None = None) -> HttpResponse:
    """The answer to a request that never came to be executed."""
    return _json({"errors": [show(error)]}, status=error.status, headers=error.headers() | (headers or {}))


def _read(request: HttpRequest) -> Asked:
    """Raises JSONOnly, ParseError, InvalidInput."""
    if request.content_type != "application/json":
        raise JSONOnly()
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise ParseError() from None
    if not isinstance(body, dict):  # an array would be a batch: each of its operations a try of its own
        raise ParseError()
    wrong = [name for name, kind in _MEMBERS.items() if not isinstance(body.get(name), kind)]
    if wrong:
        raise InvalidInput(fields={name: [_("This is missing or has a wrong type.")] for name in wrong})
    return Asked(body["query"], body.get("variables"), body.get("operationName"))


def _execute(asked: Asked, context: Context) -> HttpResponse:
    try:
        document = documents.read(asked.query, open_to_study=settings.DEMO)
    except documents.Refused as refused:
        return _refuse(refused.meaning, refused.errors)
    result = execute_sync(
        documents.schema.graphql_schema,
        document,
        context_value=context,
        variable_values=asked.variables,
        operation_name=asked.operation_name,
        execution_context_class=Execution,
        max_coercion_errors=documents.MAX_ERRORS,
        hide_suggestions=not settings.DEMO,
    )
    if result.errors and any(error.path is None for error in result.errors):  # nothing ran: variables, operationName
        return _refuse(GraphQLValidationFailed(), result.errors)
    response = _json(_body(result))
    if context.sent_challenge:
        callers.keep_challenge(response, context.sent_challenge)
    return response


def _body(result: ExecutionResult) -> dict:
    if result.errors:
        return {"errors": [format_error(error) for error in result.errors], "data": result.data}
    return {"data": result.data}


def _refuse(meaning: DomainError, errors: list[GraphQLError]) -> HttpResponse:
    return _json({"errors": [show_refused(error, meaning) for error in errors]}, status=meaning.status)


def _json(body: dict, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(orjson.dumps(body), "application/json", status, headers=headers)
