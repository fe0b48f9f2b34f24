"""A caller of the GraphQL door, and somebody signed in."""

import pytest
from django.test import Client

from users import tokens
from users.models import User


class GraphQL:
    """POSTs to /graphql/ as a script would: JSON, and no CSRF token from anywhere."""

    def __init__(self, token: str | None = None):
        self.client = Client(raise_request_exception=False, enforce_csrf_checks=True)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def post(self, body: object, content_type: str = "application/json", **headers: str):
        return self.client.post("/graphql/", body, content_type, headers=self.headers | headers)

    def run(self, query: str, **variables):
        return self.post({"query": query, "variables": variables})

    def data(self, query: str, **variables) -> dict:
        answer = self.run(query, **variables).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def error(self, query: str, **variables) -> dict:
        [error] = self.run(query, **variables).json()["errors"]
        return error["extensions"]


@pytest.fixture
def graphql() -> GraphQL:
    return GraphQL()


@pytest.fixture
def as_user(browser):
    """as_user(alice): a caller with a token of hers."""

    def sign_in(user: User) -> GraphQL:
        return GraphQL(tokens.issue(tokens.open_session(user, browser)).access)

    return sign_in
