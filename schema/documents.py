"""From a text to a document that may be executed: parsed, measured, validated, and remembered."""

from functools import lru_cache

import graphene
from graphql import DocumentNode, GraphQLError, NoSchemaIntrospectionCustomRule, parse, specified_rules, validate

from schema import rules
from schema.mutations import Mutation
from schema.queries import Query
from users.errors import DomainError, GraphQLParseFailed, GraphQLValidationFailed

# One remembered document holds at most 2,000 characters and some 300 KiB, all of them 40 MiB.
REMEMBERED_DOCUMENTS = 128
REMEMBERED_CHARACTERS = 2000
MAX_ERRORS = 5

schema = graphene.Schema(query=Query, mutation=Mutation)


class Refused(Exception):
    """A text that will not be executed: `meaning` in our words, `errors` in GraphQL's own."""

    def __init__(self, meaning: DomainError, errors: list[GraphQLError]):
        super().__init__(meaning.code)
        self.meaning = meaning
        self.errors = errors


def read(text: str, *, open_to_study: bool) -> DocumentNode:
    """The document, ready to execute. `open_to_study`: introspection and suggestions are given. Raises Refused."""
    if len(text) > REMEMBERED_CHARACTERS:
        return _read(text, open_to_study)
    return _remembered(text, open_to_study)


def _read(text: str, open_to_study: bool) -> DocumentNode:
    try:
        document = parse(text, max_tokens=rules.MAX_TOKENS)
        errors = rules.excesses(document) or _validate(document, open_to_study)
    except GraphQLError as error:
        raise Refused(GraphQLParseFailed(), [error]) from None
    if errors:
        raise Refused(GraphQLValidationFailed(), errors)
    return document


def _validate(document: DocumentNode, open_to_study: bool) -> list[GraphQLError]:
    closed = () if open_to_study else (NoSchemaIntrospectionCustomRule,)
    return validate(
        schema.graphql_schema,
        document,
        (*closed, *specified_rules),
        max_errors=MAX_ERRORS,
        hide_suggestions=not open_to_study,
    )


_remembered = lru_cache(REMEMBERED_DOCUMENTS)(_read)  # by text; what was refused is not remembered
