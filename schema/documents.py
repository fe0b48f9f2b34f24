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


def read(text: str, *, introspection: bool) -> DocumentNode:
    """The document, ready to execute. `introspection`: it may ask about the schema and is told what it may have meant.
    Raises Refused.
    """
    if len(text) > REMEMBERED_CHARACTERS:
        return _read(text, introspection)
    return _remembered(text, introspection)


def _read(text: str, introspection: bool) -> DocumentNode:
    try:
        document = parse(text, max_tokens=rules.MAX_TOKENS)
        errors = rules.limit_violations(document) or _validate(document, introspection)
    except GraphQLError as error:
        raise Refused(GraphQLParseFailed(), [error]) from None
    if errors:
        raise Refused(GraphQLValidationFailed(), errors)
    return document


def _validate(document: DocumentNode, introspection: bool) -> list[GraphQLError]:
    closed = () if introspection else (NoSchemaIntrospectionCustomRule,)
    return validate(
        schema.graphql_schema,
        document,
        (*closed, *specified_rules),
        max_errors=MAX_ERRORS,
        hide_suggestions=not introspection,
    )


_remembered = lru_cache(REMEMBERED_DOCUMENTS)(_read)  # by text; what was refused is not remembered
