"""The GraphQL door: one operation a request. Who is asking says the Authorization header alone."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.views.decorators.csrf import csrf_exempt
from graphql import DocumentNode, ExecutionResult, GraphQLError, OperationType, execute_sync, get_operation_ast

from schema import documents, graphiql, http
from schema.errors import format_error, show_refused
from schema.execution import Execution
from users import callers, services, tokens
from users.clients import Client
from users.errors import DomainError, GraphQLValidationFailed, MethodNotAllowed
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


# A page of another site can neither send JSON here unasked nor set the header that gives identity: nothing to forge.
@csrf_exempt
def graphql(request: HttpRequest) -> HttpResponse:
    """Execute what came by POST, or a query by GET. For a browser, in a demo: GraphiQL."""
    if settings.DEMO and request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return graphiql.page(request)
    asked = http.read(request)
    try:
        document = documents.read(asked.query, introspection=settings.DEMO)
    except documents.Refused as refused:
        return _refuse(request, refused.meaning, refused.errors)
    if request.method == "GET":
        _refuse_to_change(document, asked)
    return _execute(request, document, asked)


def _refuse_to_change(document: DocumentNode, asked: http.Asked) -> None:
    """Raises MethodNotAllowed for a mutation: browsers and proxies take a GET to be harmless."""
    operation = get_operation_ast(document, asked.operation_name)
    if operation and operation.operation is OperationType.MUTATION:
        raise MethodNotAllowed(allowed=("POST",))


def _execute(request: HttpRequest, document: DocumentNode, asked: http.Asked) -> HttpResponse:
    context = Context(request)
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
        return _refuse(request, GraphQLValidationFailed(), result.errors)
    response = http.answer(request, _body(result))
    if context.sent_challenge:
        callers.keep_challenge(response, context.sent_challenge)
    return response


def _body(result: ExecutionResult) -> dict:
    if result.errors:
        return {"errors": [format_error(error) for error in result.errors], "data": result.data}
    return {"data": result.data}


def _refuse(request: HttpRequest, meaning: DomainError, errors: list[GraphQLError]) -> HttpResponse:
    return http.answer(request, {"errors": [show_refused(error, meaning) for error in errors]}, meaning.status)
