"""The Postman collection: newman runs it on the real server, and it holds every call there is and no other."""

import json
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from graphql import TypeInfo, TypeInfoVisitor, Visitor, build_schema, parse, validate, visit

from project import env
from tests import needs
from tests.support import calls
from tests.support.servers import Zovi

COLLECTION = env.ROOT / calls.COLLECTION
ENVIRONMENT = env.ROOT / "postman" / "local.postman_environment.json"
TEXT = COLLECTION.read_text()


ITEMS = calls.requests()


def name_of(item: dict) -> str:
    return item["name"]


def newman(base: str, report) -> tuple[subprocess.CompletedProcess, list[dict]]:
    """Run the collection from top to bottom: what newman printed, and its executions."""
    command = [needs.program("newman", "npm ci --prefix npm"), "run", str(COLLECTION), "-e", str(ENVIRONMENT)]
    command += ["--color", "off", "--env-var", f"base_url={base}"]
    command += ["-r", "cli,json", "--reporter-json-export", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert report.exists(), done.stdout + done.stderr
    return done, json.loads(report.read_text())["run"]["executions"]


def failed(execution: dict) -> list[dict]:
    return [assertion for assertion in execution["assertions"] if "error" in assertion]


@pytest.fixture
def zovi(tmp_path):
    server = Zovi(tmp_path, OTP_RESEND_COOLDOWN="5")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def indifferent_server():
    """Answers everything alike: 200 and an empty object."""

    class Indifferent(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_DELETE = do_PUT = do_PATCH = do_POST

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Indifferent)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_collection_runs_twice_in_a_row_on_one_database(zovi, tmp_path, capsys):
    for number in range(2):
        done, executions = newman(zovi.base, tmp_path / f"report-{number}.json")
        assert done.returncode == 0, done.stdout
        assert [execution["item"]["name"] for execution in executions] == [item["name"] for item in ITEMS]
        assert [failed(execution) for execution in executions] == [[]] * len(ITEMS)
    with capsys.disabled():
        print("\n" + done.stdout[done.stdout.index("┌") :])  # noqa: T201 -- newman's table, for whoever runs the tests


def test_no_request_is_content_with_any_answer(indifferent_server, tmp_path):
    _done, executions = newman(indifferent_server, tmp_path / "report.json")
    assert [execution["item"]["name"] for execution in executions if not failed(execution)] == []


@pytest.mark.parametrize("item", ITEMS, ids=name_of)
def test_every_request_says_which_status_it_expects(item):
    tests = calls.script(item, "test")
    assert "pm.test(" in tests
    assert re.search(r"to\.have\.status\(\d{3}\)", tests)


def test_the_server_has_one_variable_and_nothing_is_pasted():
    for text in (TEXT, ENVIRONMENT.read_text()):
        [address] = re.findall(r"https?://(?!schema\.getpostman\.com)[^\s\"]+", text)
        assert address == "http://127.0.0.1:8000"
    assert [variable["key"] for variable in json.loads(TEXT)["variable"]] == ["base_url"]
    assert [value["key"] for value in json.loads(ENVIRONMENT.read_text())["values"]] == ["base_url"]
    assert all(item["request"]["url"]["raw"].startswith("{{base_url}}/") for item in ITEMS)
    assert re.findall(r"\d{9,}|eyJ|[0-9a-f]{8}-[0-9a-f]{4}-", TEXT.partition('"item"')[2]) == []


def test_whatever_a_request_needs_an_earlier_script_has_set():
    known = {"base_url"}
    for item in ITEMS:
        known |= set(re.findall(r"ariables\.set\('(\w+)'", calls.script(item, "prerequest")))
        needed = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(item["request"])))
        assert needed - known == set(), item["name"]
        known |= set(re.findall(r"ariables\.set\('(\w+)'", calls.script(item, "test")))


# --- Nothing missing, nothing extra (calls: tests/test_calls.py) ---------------------------------------------------


class Asked(Visitor):
    """Collects every field and argument that documents ask for."""

    def __init__(self, types: TypeInfo):
        super().__init__()
        self.types = types
        self.found: set[str] = set()

    def enter_field(self, node, *_):
        self.found.add(f"{self.types.get_parent_type()}.{node.name.value}")
        self.found |= {
            f"{self.types.get_parent_type()}.{node.name.value}({argument.name.value})" for argument in node.arguments
        }


def test_it_asks_for_every_field_and_argument_of_the_schema_and_no_other():
    schema = build_schema((env.ROOT / "schema" / "schema.graphql").read_text())
    there_are = set()
    for kind in schema.type_map.values():
        if hasattr(kind, "fields") and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                there_are |= {f"{kind}.{name}"} | {f"{kind}.{name}({argument})" for argument in field.args}
    types = TypeInfo(schema)
    asked = Asked(types)
    for item in ITEMS:
        if item["request"]["url"]["path"] == ["graphql", ""] and "graphql_" not in calls.script(item, "test"):
            document = parse(item["request"]["body"]["graphql"]["query"])
            assert validate(schema, document) == [], item["name"]
            visit(document, TypeInfoVisitor(types, asked))
    assert asked.found == there_are
