"""GraphiQL as a person meets it: examples for everything, a place for headers, and nothing from anywhere else."""

import json
import re

import pytest
from graphql import parse

from project.env import ROOT
from schema.documents import schema
from tests.browser import zovi
from tests.browser.conftest import skip_unless_ci
from tests.support.people import ALICE, BOB, CHARLIE, wrong
from users import tokens
from users.clients import Client
from users.models import Activation, User

pytestmark = pytest.mark.django_db(transaction=True)

if not (ROOT / "schema/static/schema/vendor/graphiql.min.js").exists():
    pytestmark = [pytestmark, pytest.mark.usefixtures("without_npm")]


@pytest.fixture
def without_npm():
    skip_unless_ci("GraphiQL's files are not here, because npm is missing or has no network")


class GraphiQL:
    """The page by what one can do with it."""

    def __init__(self, page, url: str):
        self.page = page
        page.goto(f"{url}/graphql/")
        page.wait_for_selector(".result-window .CodeMirror")

    def names(self) -> list[str]:
        return self.page.locator(".graphiql-tab-button").all_inner_texts()

    def open(self, name: str) -> None:
        self.page.locator(".graphiql-tab-button").get_by_text(name, exact=True).click()
        self.page.wait_for_function(f"name => nameOf({_place('query')}.getValue()) === name", arg=name)
        self.settle()

    def settle(self) -> None:
        """What the page does a moment later has been done."""
        self.page.evaluate("new Promise((done) => setTimeout(done))")

    def open_headers(self) -> None:
        self.page.get_by_role("button", name="Headers").click()

    def read(self, editor: str) -> str:
        return self.page.evaluate(f"{_place(editor)}.getValue()")

    def write(self, editor: str, value: object) -> None:
        self.write_text(editor, json.dumps(value))

    def write_text(self, editor: str, text: str) -> None:
        """Instead of what stands there."""
        self.page.evaluate(f"text => {_place(editor)}.setValue(text)", text)

    def run(self) -> dict:
        with self.page.expect_response(_is_answer) as response:
            self.page.click(".graphiql-execute-button")
        answer = response.value.json()
        shown = self.page.evaluate("answer => JSON.stringify(answer, null, 2)", answer)
        self.page.wait_for_function(f"text => {_place('result')}.getValue() === text", arg=shown)
        self.settle()
        return answer


def _is_answer(response) -> bool:
    """And not the schema, which GraphiQL asks for by itself, at the start and when the headers have changed."""
    return response.url.endswith("/graphql/") and "IntrospectionQuery" not in (response.request.post_data or "")


def _place(editor: str) -> str:
    """The editor as a JavaScript expression; GraphiQL gives them an order and no names."""
    if editor == "result":
        return "document.querySelector('.result-window .CodeMirror').CodeMirror"
    number = ["query", "variables", "headers"].index(editor)
    return f"document.querySelectorAll('.graphiql-editor .CodeMirror')[{number}].CodeMirror"


def _root_fields(documents: list[str]) -> list[str]:
    definitions = [definition for text in documents for definition in parse(text).definitions]
    return [field.name.value for definition in definitions for field in definition.selection_set.selections]


def variables_of(name: str, bob: User) -> dict | None:
    """What a person would put in the place of an example's variables; the rest comes from the answers before."""
    match name:
        case "user":
            return {"id": str(bob.id)}
        case "activateInvite":
            return {"inviteCode": bob.invite_code}
    return None


def ask_for_another_code(graphiql: GraphiQL, phone: str) -> dict:
    graphiql.open("RequestCode")
    graphiql.write("variables", {"phoneNumber": phone})
    return graphiql.run()["data"]["requestCode"]


def test_every_example_takes_what_the_answers_before_it_gave(live_server, visit):
    graphiql = GraphiQL(visit.page, live_server.url)
    bob, _ = User.objects.get_or_register(BOB)
    results: dict[str, dict] = {}
    names = graphiql.names()
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []
    assert len(set(names)) == len(names)
    queries = []
    for tab in names:
        if tab == "EndSession":
            other = tokens.open_session(User.objects.get(phone=ALICE), Client(address="127.0.0.1"))
            graphiql.open("Sessions")
            graphiql.run()
        if tab == "ChangePhone":
            ask_for_another_code(graphiql, CHARLIE)
        if tab == "DeleteAccount":  # the example before it has signed out
            ask_for_another_code(graphiql, CHARLIE)
            graphiql.open("VerifyCode")
            graphiql.run()
            ask_for_another_code(graphiql, CHARLIE)
        graphiql.open(tab)
        queries.append(graphiql.read("query"))
        [name] = _root_fields(queries[-1:])
        variables = variables_of(name, bob)
        if variables:
            graphiql.write("variables", variables)
        answer = graphiql.run()
        assert "errors" not in answer, (tab, answer)
        if tab == "EndSession":
            other.refresh_from_db()
            assert other.ended_at
        if tab == "Me":
            zovi.picture(visit.page, "graphiql")
        results[name] = answer["data"][name]

    whole = schema.graphql_schema
    assert set(results) == set(whole.query_type.fields) | set(whole.mutation_type.fields)
    assert [query for query in queries if "me { inviteCode activatedInviteCode referrals }" in query] != []
    assert results["requestCode"]["phoneNumber"] == ALICE
    assert results["verifyCode"]["isNewUser"] is True
    assert results["user"]["phoneNumber"] == "+7 913 ***-**-12"
    assert Activation.objects.get().inviter == bob
    assert not User.objects.filter(phone__in=[ALICE, CHARLIE]).exists()
    assert visit.complaints == []
    assert visit.foreign(live_server.url) == []


def test_whoever_signs_in_second_finds_the_first_ones_code(live_server, visit):
    graphiql = GraphiQL(visit.page, live_server.url)
    for phone in (ALICE, BOB):
        ask_for_another_code(graphiql, phone)
        graphiql.open("VerifyCode")
        graphiql.run()
    graphiql.open("ActivateInvite")
    graphiql.run()
    assert (Activation.objects.get().inviter.phone, Activation.objects.get().invitee.phone) == (ALICE, BOB)


def test_what_was_written_in_the_place_of_a_value_stays(live_server, visit):
    graphiql = GraphiQL(visit.page, live_server.url)
    sent = graphiql.run()["data"]["requestCode"]
    graphiql.open("VerifyCode")
    assert json.loads(graphiql.read("variables")) == {"code": sent["otp"], "challenge": sent["challenge"]}
    graphiql.write("variables", {"code": wrong(sent["otp"]), "challenge": sent["challenge"]})
    assert graphiql.run()["errors"][0]["extensions"]["code"] == "invalid_code"
    graphiql.open("Me")
    graphiql.open("VerifyCode")
    assert json.loads(graphiql.read("variables"))["code"] == wrong(sent["otp"])
    again = ask_for_another_code(graphiql, ALICE)
    graphiql.open("VerifyCode")
    assert json.loads(graphiql.read("variables")) == {"code": again["otp"], "challenge": again["challenge"]}


def test_the_documents_operations_run_word_for_word(live_server, visit):
    operations = re.findall(r"```graphql\n(.*?)\n```", (ROOT / "docs" / "graphql.md").read_text(), re.DOTALL)
    assert len(operations) == 5
    alice, _ = User.objects.get_or_register(ALICE)
    graphiql = GraphiQL(visit.page, live_server.url)
    results: dict[str, dict] = {}
    for operation in operations[:4]:
        drawn = {"5804": results.get("requestCode", {}).get("otp", "5804"), "k7wq2m": alice.invite_code}
        for shown, real in drawn.items():
            operation = operation.replace(shown, real)
        graphiql.write_text("query", operation)
        answer = graphiql.run()
        assert "errors" not in answer, operation
        results |= answer["data"]
        if "verifyCode" in answer["data"]:
            graphiql.write("headers", {"Authorization": f"Bearer {results['verifyCode']['token']}"})
    assert results["activateInvite"]["invitedBy"] == "+7 913 ***-**-00"
    assert results["me"] == {
        "inviteCode": User.objects.get(phone=CHARLIE).invite_code,
        "activatedInviteCode": alice.invite_code,
        "referrals": [],
    }
    graphiql.write("headers", {})
    graphiql.write_text("query", operations[4])
    assert graphiql.run()["errors"][0]["extensions"]["code"] == "not_authenticated"
    assert visit.complaints == []


def test_the_headers_can_be_edited_and_the_schema_studied(live_server, visit):
    graphiql = GraphiQL(visit.page, live_server.url)
    graphiql.open("Me")
    graphiql.open_headers()
    visit.page.locator(".graphiql-editor .CodeMirror").nth(2).click()
    visit.page.keyboard.press("Control+A")
    visit.page.keyboard.insert_text('{"Authorization": "Bearer nonsense"}')
    assert graphiql.run()["errors"][0]["extensions"] == {"code": "invalid_token", "status": 401}

    visit.page.get_by_label("Show Documentation Explorer").click()
    visit.page.get_by_role("link", name="Mutation").click()
    visit.page.get_by_text("Sign in with the code; the first time this registers the user.").wait_for()
    visit.page.get_by_label("Open settings dialog").click()
    visit.page.get_by_role("dialog").get_by_text("Theme", exact=True).wait_for()
    assert [text for text in visit.complaints if "Missing `Description`" not in text] == []  # GraphiQL's own
    assert visit.foreign(live_server.url) == []


def test_nothing_that_was_typed_outlives_the_page(live_server, visit):
    graphiql = GraphiQL(visit.page, live_server.url)
    graphiql.write("variables", {"phoneNumber": BOB})
    graphiql.run()
    assert visit.page.evaluate("JSON.stringify(localStorage)") == "{}"
    visit.page.reload()
    visit.page.wait_for_selector(".result-window .CodeMirror")
    assert len(graphiql.names()) == 13
    assert json.loads(graphiql.read("variables")) == {"phoneNumber": "8 913 674-00-00"}


@pytest.mark.parametrize(("language", "words"), [("en", "GraphiQL is not here yet"), ("ru", "GraphiQL здесь пока нет")])
def test_without_its_files_the_page_says_what_to_do(live_server, visit, monkeypatch, language, words):
    monkeypatch.setattr("schema.graphiql._FILES", "schema/absent")
    visit.page.set_viewport_size(zovi.PHONE)
    visit.page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    visit.page.goto(f"{live_server.url}/graphql/")
    assert visit.page.inner_text("h1") == words
    assert visit.page.evaluate("document.documentElement.scrollWidth") == zovi.PHONE["width"]
    zovi.picture(visit.page, f"no-graphiql-{language}")
    assert visit.complaints == []
    assert visit.foreign(live_server.url) == []
