"""Every call there is, and every place that tells of it. What a call is, the URL map and the GraphQL schema say."""

import json
import re
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import polib
from django.urls import get_resolver
from django.urls.resolvers import URLPattern
from graphql import GraphQLObjectType, GraphQLSchema, GraphQLSyntaxError, parse

from project.env import ROOT

COLLECTION = "postman/referral_system.postman_collection.json"
EXAMPLES = "schema/static/schema/examples.js"
CATALOGUE = "users/locale/ru/LC_MESSAGES/django.po"
REST_PAGES = ("docs/rest.md", "docs/backend.md")
FRONT = "README.md"  # it has what people can do; what backends can is a page of its own
REST_TESTS = {  # where the calls below an address are tried
    "/api/users/": "tests/contract/rest_door.py",
    "/api/service/": "users/tests/test_service_door.py",
    "/api/": "users/tests/test_rest.py",
    "/": "project/tests/test_health.py",
}


class Call(NamedTuple):
    method: str
    path: str  # as documents write it: /api/users/{id}/


# --- What there is -----------------------------------------------------------------------------------------------


def rest_calls(urls: ModuleType | str | None = None) -> set[Call]:
    """Of the URL map; what people look at in a browser is none."""
    calls = {Call("GET", "/livez"), Call("GET", "/readyz")}
    for route, entry in _routes(get_resolver(urls)):
        if route.startswith("api/") and not route.startswith("api/docs/"):
            view = entry.callback.view_class
            methods = [name.upper() for name in view.http_method_names if hasattr(view, name)]
            calls |= {Call(method, path_of(route)) for method in methods if method != "OPTIONS"}
    return calls


def pages() -> set[str]:
    """Addresses that people open."""
    found = set()
    for route, entry in _routes(get_resolver("users.pages.urls")):
        view = getattr(entry.callback, "view_class", None)
        if hasattr(view, "get") and entry.name:
            found.add(path_of(route))
    return found


def _routes(resolver, prefix="") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        yield from [(route, entry)] if isinstance(entry, URLPattern) else _routes(entry, route)


def path_of(route: str) -> str:
    return "/" + re.sub(
        r"<(?:\w+:)?(\w+)>", lambda match: "{id}" if match[1].endswith("id") else f"<{match[1]}>", route
    )


def operations(schema: GraphQLSchema) -> set[str]:
    return {*schema.query_type.fields, *schema.mutation_type.fields}


def fields(schema: GraphQLSchema) -> set[str]:
    """Names of what answers hold."""
    types = [type_ for name, type_ in schema.type_map.items() if not name.startswith("__")]
    return {field for type_ in types if isinstance(type_, GraphQLObjectType) for field in type_.fields}


# --- Where it is told --------------------------------------------------------------------------------------------


def text(name: str) -> str:
    return (ROOT / name).read_text()


def requests(folder: dict | None = None) -> list[dict]:
    """Of the Postman collection, from top to bottom."""
    folder = folder or json.loads(text(COLLECTION))
    return [leaf for item in folder["item"] for leaf in (requests(item) if "item" in item else [item])]


def script(request: dict, listen: str) -> str:
    events = [event for event in request["event"] if event["listen"] == listen]
    return "\n".join(line for event in events for line in event["script"]["exec"])


def calls_of_postman() -> set[Call]:
    calls = set()
    for request in requests():
        path = "/" + "/".join(request["request"]["url"]["path"])
        if "method_not_allowed" not in script(request, "test") and path != "/graphql/":
            calls.add(Call(request["request"]["method"], re.sub(r"\{\{[^}]+\}\}", "{id}", path)))
    return calls


def calls_of_documents() -> set[Call]:
    """Of the tables: `POST /a/b/` · `c/` is two, beside each other."""
    calls = set()
    for cell in re.findall(r"(?m)^\| (`[A-Z]+ /[^|]*) \|", "\n".join(map(text, REST_PAGES))):
        method, path = "", ""
        for word in re.findall(r"`([^`?]+)[^`]*`", cell):
            if " " in word:
                method, path = word.split(" ")
            else:
                path = f"{path.rsplit('/', 2)[0]}/{word}"
            calls.add(Call(method, path))
    return calls


def operations_of_postman() -> set[str]:
    documents = [request["request"].get("body", {}).get("graphql", {}).get("query", "") for request in requests()]
    return {name for document in documents for name in root_fields(document)}


def operations_of_graphiql() -> set[str]:
    documents = re.findall(r"query: `(.*?)`", text(EXAMPLES), re.DOTALL)
    return {name for document in documents for name in root_fields(document)}


def root_fields(document: str) -> list[str]:
    """None of what cannot be read: some requests are there to be refused."""
    try:
        definitions = parse(document).definitions
    except GraphQLSyntaxError:
        return []
    return [field.name.value for definition in definitions for field in definition.selection_set.selections]


def words_of(name: str) -> set[str]:
    return set(re.findall(r"\w+", text(name)))


def is_tried(call: Call) -> bool:
    """Its address, or what follows the address that all of the file's calls have in common, is in the tests."""
    below, name = tests_of(call)
    rest = re.escape(call.path.removeprefix(below)).replace(re.escape("{id}"), r"\{[^}]+\}")
    return bool(re.search(rf'["/]{rest}["?]', text(name)))


def tests_of(call: Call) -> tuple[str, str]:
    return next((below, name) for below, name in REST_TESTS.items() if call.path.startswith(below))


def translated() -> set[str]:
    return {entry.msgid for entry in polib.pofile(str(ROOT / CATALOGUE)) if entry.translated()}


# --- What is missing ---------------------------------------------------------------------------------------------


def places_without(call: Call) -> list[str]:
    """Where a REST call is not told of."""
    _, tests = tests_of(call)
    told = {
        FRONT: f"`{call.method} {call.path}`" in text(FRONT) or not call.path.startswith("/api/users/"),
        " or ".join(REST_PAGES): call in calls_of_documents(),
        COLLECTION: call in calls_of_postman(),
        tests: is_tried(call),
    }
    return [place for place, is_told in told.items() if not is_told]


def places_without_operation(name: str) -> list[str]:
    """Where a query or a mutation is not told of."""
    told = {
        FRONT: name in words_of(FRONT),
        "docs/graphql.md": name in words_of("docs/graphql.md"),
        "schema/schema.graphql": name in words_of("schema/schema.graphql"),
        EXAMPLES: name in operations_of_graphiql(),
        COLLECTION: name in operations_of_postman(),
        "tests/contract/graphql_door.py": name in words_of("tests/contract/graphql_door.py"),
    }
    return [place for place, is_told in told.items() if not is_told]
