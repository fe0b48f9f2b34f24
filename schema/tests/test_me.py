"""The profile: what it shows, and how little it reads for it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.people import ALICE, BOB
from users.models import Activation, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def popular(alice) -> User:
    """Alice, whose code three have entered: …0001, …0002, …0003, in this order."""
    for number in (1, 2, 3):
        invitee, _ = User.objects.get_or_register(f"+7916000000{number}")
        Activation.objects.create(inviter=alice, invitee=invitee)
    return alice


def statements(caller, query: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        caller.data(query)
    return [query["sql"] for query in captured.captured_queries]


def test_the_three_fields_of_the_task_as_they_are_written(as_user, popular, bob):
    Activation.objects.create(inviter=bob, invitee=popular)
    assert as_user(popular).data("{ me { inviteCode activatedInviteCode referrals } }") == {
        "me": {
            "inviteCode": popular.invite_code,
            "activatedInviteCode": bob.invite_code,
            "referrals": ["+79160000003", "+79160000002", "+79160000001"],
        }
    }


@pytest.mark.parametrize(
    "query",
    [
        "{ me { inviteCode } }",
        "{ me { inviteCode activatedInviteCode referrals } }",
        "{ me { activatedInviteCode referrals referralsCount } b: me { id } }",
    ],
)
def test_me_costs_one_statement_that_checks_the_session_too(as_user, popular, query):
    caller = as_user(popular)
    caller.data("{ me { id } }")  # from here on the connection has it planned
    [statement] = statements(caller, query)
    assert statement.startswith("EXECUTE ")
    assert f"'{popular.id}'" in statement
    assert statement.count("::uuid") == 2  # whose profile, by which session


def test_nobody_is_asked_for_what_is_not_wanted(graphql):
    with CaptureQueriesContext(connection) as captured:
        assert graphql.run("{ me { referrals } }").json()["data"] == {"me": None}
    assert len(captured) == 0


def test_a_connection_goes_through_all_of_them(as_user, popular):
    caller = as_user(popular)
    query = """query($after: String) { me { referralConnection(first: 2, after: $after) {
      edges { cursor node { phoneNumber activatedAt } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
    first = caller.data(query)["me"]["referralConnection"]
    cursors = [edge["cursor"] for edge in first["edges"]]
    assert [edge["node"]["phoneNumber"] for edge in first["edges"]] == ["+79160000003", "+79160000002"]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": cursors[0],
        "endCursor": cursors[1],
    }
    newest = Activation.objects.order_by("-id").first()
    assert first["edges"][0]["node"]["activatedAt"] == newest.created_at.isoformat()

    second = caller.data(query, after=cursors[1])["me"]["referralConnection"]
    assert [edge["node"]["phoneNumber"] for edge in second["edges"]] == ["+79160000001"]
    assert second["pageInfo"]["hasNextPage"] is False
    assert second["pageInfo"]["hasPreviousPage"] is True
    assert caller.data(query, after=cursors[0])["me"]["referralConnection"]["edges"][0]["cursor"] == cursors[1]


def test_a_connection_to_nobody_is_empty(as_user, alice):
    query = """{ me { referralConnection {
      edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
    assert as_user(alice).data(query)["me"]["referralConnection"] == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


@pytest.mark.parametrize(("first", "shown"), [(1, 1), (100, 3), (None, 3)])
def test_a_page_may_hold_one_to_a_hundred(as_user, popular, first, shown):
    query = "query($first: Int) { me { referralConnection(first: $first) { edges { cursor } } } }"
    assert len(as_user(popular).data(query, first=first)["me"]["referralConnection"]["edges"]) == shown


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
def test_more_or_less_is_invalid_input(as_user, alice, first):
    query = "query($first: Int) { me { referralConnection(first: $first) { edges { cursor } } } }"
    error = as_user(alice).error(query, first=first)
    assert error == {"code": "invalid_input", "status": 400, "fields": {"first": ["From 1 to 100 at once."]}}


def test_a_wrong_cursor_is_called_as_the_argument_is(as_user, alice):
    error = as_user(alice).error('{ me { referralConnection(after: "nonsense") { edges { cursor } } } }')
    assert error == {"code": "invalid_input", "status": 400, "fields": {"after": ["This is not a cursor of ours."]}}


def test_other_peoples_connections_are_masked_too(as_user, popular, bob):
    query = "query($id: ID!) { user(id: $id) { phoneNumber referralConnection { edges { node { phoneNumber } } } } }"
    page = as_user(bob).data(query, id=str(popular.id))["user"]
    assert page["phoneNumber"] == "+7 913 ***-**-00"
    assert [edge["node"]["phoneNumber"] for edge in page["referralConnection"]["edges"]] == [
        "+7 916 ***-**-03",
        "+7 916 ***-**-02",
        "+7 916 ***-**-01",
    ]
    own = as_user(popular).data(query, id=str(popular.id))["user"]
    assert own["phoneNumber"] == ALICE
    assert own["referralConnection"]["edges"][0] == {"node": {"phoneNumber": "+79160000003"}}


def test_what_cannot_be_read_leaves_the_rest_of_the_answer(as_user, popular):
    response = as_user(popular).run('{ me { inviteCode } user(id: "1") { id } }')
    assert response.status_code == 200
    answer = response.json()
    assert answer["data"] == {"me": {"inviteCode": popular.invite_code}, "user": None}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]) == (["user"], {"code": "not_found", "status": 404})


def test_the_answer_to_an_activation_shows_it(as_user, alice, bob):
    query = "mutation($code: String!) { activateInvite(inviteCode: $code) { invitedBy me { activatedInviteCode } } }"
    assert as_user(bob).data(query, code=alice.invite_code)["activateInvite"] == {
        "invitedBy": "+7 913 ***-**-00",
        "me": {"activatedInviteCode": alice.invite_code},
    }


def test_a_profile_that_fails_to_load_does_not_take_the_tokens_with_it(graphql, monkeypatch):
    graphql.client.post("/api/users/send_otp/", {"phone_number": BOB}, "application/json")
    code = graphql.data(f'mutation {{ requestCode(phoneNumber: "{BOB}") {{ otp }} }}')["requestCode"]["otp"]
    monkeypatch.setattr("users.services.profile_of", lambda user: 1 / 0)
    query = "mutation($code: String!) { verifyCode(code: $code) { token me { referrals } } }"
    answer = graphql.run(query, code=code).json()["data"]["verifyCode"]
    assert answer["me"] is None
    assert answer["token"].count(".") == 2
