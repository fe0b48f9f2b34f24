"""The GraphQL door's one place that shows errors: the same words as REST, in `extensions`."""

import logging
import traceback

from graphene.utils.str_converters import to_camel_case
from graphql import GraphQLError

from users import callers
from users.errors import DomainError, GraphQLValidationFailed, ServerError

logger = logging.getLogger(__name__)

# How a service's arguments are called here, where they are not the same in camelCase.
_ARGUMENT_NAMES = {"phone": "phoneNumber", "cursor": "after"}


def show(error: DomainError) -> dict:
    """`{"message", "extensions": {"code", "status", …}}`; the rest is what the error carries, in camelCase."""
    extra = {to_camel_case(name): value for name, value in error.extra.items()}
    if "fields" in extra:
        extra["fields"] = {
            _ARGUMENT_NAMES.get(name, to_camel_case(name)): [str(reason) for reason in reasons]
            for name, reasons in extra["fields"].items()
        }
    return {"message": str(error.detail), "extensions": {"code": error.code, "status": error.status, **extra}}


def show_refused(error: GraphQLError, meaning: DomainError) -> dict:
    """What is wrong with a document, in GraphQL's own words."""
    return show(meaning) | error.formatted


def format_error(error: GraphQLError) -> dict:
    """What went wrong in a resolver; nobody learns the text of an exception that was not meant for them."""
    shown = show(_as_domain_error(error))
    return error.formatted | shown


def _as_domain_error(error: GraphQLError) -> DomainError:
    cause = error.original_error
    if isinstance(cause, GraphQLError) and cause.nodes:  # an argument: null from a variable, where none may be
        return GraphQLValidationFailed()
    refusal = callers.refusal_of(cause)
    if isinstance(refusal, ServerError):
        _log(cause or error, error.path)
    return refusal


def _log(cause: Exception, path: list | None) -> None:
    """Where it happened, without its text: that could hold somebody's phone number."""
    frames = "".join(traceback.format_tb(cause.__traceback__))
    logger.error("%s in resolver %s\n%s", type(cause).__name__, path, frames)
