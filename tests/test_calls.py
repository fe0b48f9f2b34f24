"""A call is there for people when every place tells of it: the documents, Postman, the contract suite, both languages.

CONTRIBUTING says how a call is added; this says by name what was forgotten.
"""

import re
import types
from collections.abc import Iterator

import pytest
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from graphql import build_schema, print_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from project import urls
from project.env import ROOT
from schema.documents import schema
from tests.contract.doors import Door
from tests.support import calls
from users.errors import DomainError
from users.tests.test_translations import texts_of

SCHEMA = schema.graphql_schema


@pytest.mark.parametrize("call", sorted(calls.rest_calls()), ids=" ".join)
def test_a_rest_call_is_told_of_everywhere(call):
    assert calls.places_without(call) == []


@pytest.mark.parametrize("name", sorted(calls.operations(SCHEMA)))
def test_an_operation_is_told_of_everywhere(name):
    assert calls.places_without_operation(name) == []


def test_nothing_is_told_of_that_is_not_there():
    assert calls.calls_of_documents() - calls.rest_calls() == set()
    assert calls.calls_of_postman() - calls.rest_calls() == set()


def test_every_page_is_told_of():
    told = set(re.findall(r"`(/[^`]*)`", calls.text("docs/pages.md")))
    assert calls.pages() - told == set()


def test_every_field_of_an_answer_is_told_of():
    description = SchemaGenerator().get_schema(public=True)["components"]["schemas"]
    names = {name for shape in description.values() for name in shape.get("properties", {})}
    assert len(names) > 20
    assert names - {word for page in calls.REST_PAGES for word in calls.words_of(page)} == set()
    assert calls.fields(SCHEMA) - calls.words_of("docs/graphql.md") == set()


def test_every_refusal_is_told_of_with_its_status():
    rows = re.findall(r"(?m)^\| (`[^|]*) \| ([\d ·]+) \|", calls.text("docs/rest.md").partition("## Errors")[2])
    told = {
        (code, int(status))
        for codes, several in rows
        for code in codes.strip("` ").split("` · `")
        for status in re.findall(r"\d+", several)
    }
    there_are = {(error.code, error.status) for error in refusals(DomainError)}
    of_graphql = {(code, status) for code, status in there_are if code.startswith("graphql_")}
    assert told == there_are - of_graphql
    assert {code for code, _ in of_graphql} <= calls.words_of("docs/graphql.md")


def refusals(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for error in kind.__subclasses__():
        yield from refusals(error)
        if "code" in vars(error) or "status" in vars(error):
            yield error


def test_every_method_of_a_door_is_in_a_scenario():
    told = "".join(path.read_text() for path in (ROOT / "tests" / "contract").glob("test_*.py"))
    methods = [name for name, value in vars(Door).items() if callable(value) and not name.startswith("_")]
    assert len(methods) > 10
    assert [name for name in methods if f".{name}(" not in told] == []


# --- With a call that nobody has told of -------------------------------------------------------------------------


class Wave(APIView):
    def post(self, request) -> Response:
        return Response()


def test_a_new_rest_call_is_missed_by_name():
    beside = types.ModuleType("beside")
    beside.urlpatterns = [path("api/users/me/wave/<str:user_id>/", Wave.as_view()), path("", include(urls))]
    [new] = calls.rest_calls(beside) - calls.rest_calls()
    assert new == ("POST", "/api/users/me/wave/{id}/")
    assert calls.places_without(new) == [
        "README.md",
        "docs/rest.md or docs/backend.md",
        "postman/referral_system.postman_collection.json",
        "tests/contract/rest_door.py",
    ]


def test_a_new_operation_is_missed_by_name():
    beside = build_schema(print_schema(SCHEMA) + "extend type Mutation { wave: Boolean }")
    [new] = calls.operations(beside) - calls.operations(SCHEMA)
    assert calls.places_without_operation(new) == [
        "README.md",
        "docs/graphql.md",
        "schema/schema.graphql",
        "schema/static/schema/examples.js",
        "postman/referral_system.postman_collection.json",
        "tests/contract/graphql_door.py",
    ]


def test_a_new_refusal_is_missed_in_russian():
    source = 'class NobodyWaves(DomainError):\n    detail = _("Nobody waves back.")'
    assert texts_of(source) - calls.translated() == {"Nobody waves back."}
