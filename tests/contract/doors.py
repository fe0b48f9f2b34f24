"""The doors as a scenario sees them: the same calls, and the same words in the answers, whatever is behind.

A door joins by a class with these methods in `DOORS`. It speaks its own language to the server and translates names,
nothing else: what a door does not say is missing from its answer.
"""

from dataclasses import dataclass, field
from typing import Protocol

from django.test import Client


@dataclass(frozen=True)
class Answer:
    """`code` and `status` of the refusal, or None and 200. `said`: what was told, under the services' names.

    A refusal's `fields` are sorted names.
    """

    code: str | None = None
    status: int = 200
    said: dict = field(default_factory=dict)

    def __getitem__(self, name: str):
        return self.said[name]

    @property
    def refusal(self) -> tuple[str | None, int]:
        return self.code, self.status


class Door(Protocol):
    """One caller at one door, with a cookie jar, and once signed in, with what proves it. `token` may be set."""

    name: str
    has_tokens: bool
    token: str | None

    def __init__(self, client: Client | None = None): ...
    def request_code(self, phone: str, challenge: str | None = None) -> Answer: ...
    def verify_code(
        self, code: str, challenge: str | None = None, phone: str | None = None, start_afresh: bool | None = None
    ) -> Answer: ...
    def me(self) -> Answer: ...
    def user(self, user_id: str) -> Answer: ...
    def referrals(self, cursor: str | None = None) -> Answer: ...
    def activate_invite(self, invite_code: str) -> Answer: ...
    def refresh(self, refresh_token: str) -> Answer: ...
    def logout(self, *, everywhere: bool = False) -> Answer: ...
    def sessions(self) -> Answer: ...
    def end_session(self, session_id: str) -> Answer: ...
    def request_code_for_change(self, phone: str) -> Answer: ...
    def change_phone(self, code: str) -> Answer: ...


def new_browser() -> Client:
    """An empty cookie jar. Like a server, and unlike Django's default, it turns exceptions into answers."""
    return Client(raise_request_exception=False)


def headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def renamed(said: dict, names: dict[str, str]) -> dict:
    return {names.get(name, name): value for name, value in said.items()}
