"""Lists of texts skip graphql-core's item by item; whatever is not quite one goes the usual way."""

import pytest
from graphql import build_schema, execute_sync, parse

from schema.execution import Execution

SCHEMA = build_schema("type Query { names: [String!]!, nicknames: [String], years: [Int!] }")
DOCUMENTS = {name: parse(f"{{ {name} }}") for name in ("names", "nicknames", "years")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("names", ["Ada", "Grace"]),
        ("names", []),
        ("names", ("Ada", "Grace")),
        ("names", ["Ada", 1815]),
        ("names", ["Ada", None]),
        ("names", "Ada"),
        ("nicknames", ["Ada", None]),
        ("years", [1815, 1906]),
        ("years", ["1815"]),
        ("years", ["not a year"]),
    ],
)
def test_every_list_comes_out_as_graphql_core_would_complete_it(name, value):
    ours = execute_sync(SCHEMA, DOCUMENTS[name], {name: value}, execution_context_class=Execution)
    theirs = execute_sync(SCHEMA, DOCUMENTS[name], {name: value})

    assert ours.formatted == theirs.formatted


def test_a_list_of_texts_is_handed_through_whole():
    names = ["Ada", "Grace"]

    assert (
        execute_sync(SCHEMA, DOCUMENTS["names"], {"names": names}, execution_context_class=Execution).data["names"]
        is names
    )
