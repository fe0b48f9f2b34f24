"""GraphiQL as a person meets it: examples for everything, a place for headers, and nothing from anywhere else."""

import json
import re

import pytest
from graphql import parse

from project.env import ROOT
from schema.documents import schema
from tests.browser.conftest import skip_unless_ci
from tests.support.people import ALICE, BOB, CHARLIE
from users import services, tokens
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

    def tabs(self) -> int:
        return self.page.locator(".graphiql-tab").count()

    def open_tab(self, number: int) -> None:
        self.page.locator(".graphiql-tab-button").nth(number).click()

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
        with self.page.expect_response("**/graphql/") as response:
            self.page.click(".graphiql-execute-button")
        answer = response.value.json()
        shown = self.page.evaluate("answer => JSON.stringify(answer, null, 2)", answer)
        self.page.wait_for_function(f"text => {_place('result')}.getValue() === text", arg=shown)
        return answer


def _place(editor: str) -> str:
    """The editor as a JavaScript expression; GraphiQL gives them an order and no names."""
    if editor == "result":
        return "document.querySelector('.result-window .CodeMirror').CodeMirror"
    number = ["query", "variables", "headers"].index(editor)
    return f"document.querySelectorAll('.graphiql-editor .CodeMirror')[{number}].CodeMirror"


def _root_fields(documents: list[str]) -> list[str]:
    definitions = [definition for text in documents for definition in parse(text).definitions]
    return [field.name.value for definition in definitions for field in definition.selection_set.selections]


def sign_in_again() -> services.SignIn:
    """With the number that the example before has changed to."""
    client = Client(address="127.0.0.1")
    sent = services.request_code(phone=CHARLIE, client=client)
    return services.verify_code(code=sent.otp, challenge=sent.challenge, client=client)


def variables_of(name: str, results: dict[str, dict], bob: User) -> dict | None:
    """What a person would put in the place of an example's variables."""
    match name:
        case "verifyCode":
            return {"code": results["requestCode"]["otp"]}
        case "user":
            return {"id": str(bob.id)}
        case "activateInvite":
            return {"inviteCode": bob.invite_code}
        case "refreshToken":
            return {"refreshToken": results["verifyCode"]["refreshToken"]}
        case "endSession":
            other = tokens.open_session(User.objects.get(phone=ALICE), Client(address="127.0.0.1"))
            return {"id": str(other.id)}
        case "changePhone" | "deleteAccount":
            sent = services.request_code(phone=CHARLIE, client=Client(address="127.0.0.1"))
            return {"code": sent.otp, "challenge": sent.challenge}
    return None


def test_every_example_runs_in_the_order_of_the_tabs(live_server, visit):
    graphiql = GraphiQL(visit.page, live_server.url)
    bob, _ = User.objects.get_or_register(BOB)
    results: dict[str, dict] = {}
    queries = []
    for number in range(graphiql.tabs()):
        graphiql.open_tab(number)
        queries.append(graphiql.read("query"))
        [name] = _root_fields(queries[-1:])
        if name == "deleteAccount":  # the example before it has signed out
            results["verifyCode"]["token"] = sign_in_again().tokens.access
        if graphiql.read("headers"):
            assert json.loads(graphiql.read("headers")) == {"Authorization": "Bearer <the token of verifyCode>"}
            graphiql.write("headers", {"Authorization": f"Bearer {results['verifyCode']['token']}"})
        variables = variables_of(name, results, bob)
        if variables:
            graphiql.write("variables", variables)
        answer = graphiql.run()
        assert "errors" not in answer, (name, answer)
        results[name] = answer["data"][name]

    whole = schema.graphql_schema
    assert set(results) == set(whole.query_type.fields) | set(whole.mutation_type.fields)
    assert "{ me { inviteCode activatedInviteCode referrals } }" in queries
    assert results["requestCode"]["phoneNumber"] == ALICE
    assert results["verifyCode"]["isNewUser"] is True
    assert results["user"]["phoneNumber"] == "+7 913 ***-**-12"
    assert Activation.objects.get().inviter == bob
    assert visit.complaints == []
    assert visit.foreign(live_server.url) == []


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
    graphiql.open_tab(2)
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
    assert graphiql.tabs() == 12
    assert json.loads(graphiql.read("variables")) == {"phoneNumber": "8 913 674-00-00"}
