"""What clients do, as generators: each yields (name of the step, request) and is sent (status, body) for it."""

import itertools
import json
import random
from collections.abc import Callable, Generator, Iterator

Flow = Callable[[], Generator[tuple[str, bytes], tuple[int, bytes], None]]

GRAPHQL_ME = "{ me { inviteCode activatedInviteCode referrals } }"


class Unexpected(Exception):
    """The server did not do its job; the text says what came instead."""


def get(*, name: str, path: str, tokens: list[str], holds: str = "invite_code") -> Flow:
    """A GET by somebody out of `tokens`, whose answer holds a word."""
    requests = [_request("GET", path, token=token) for token in tokens]

    def flow():
        _expect(holds.encode(), *(yield name, random.choice(requests)))

    return flow


def graphql_me(*, name: str, path: str, tokens: list[str]) -> Flow:
    requests = [_request("POST", path, {"query": GRAPHQL_ME}, token=token) for token in tokens]

    def flow():
        _expect(b'"referrals"', *(yield name, random.choice(requests)))

    return flow


def sign_in(*, send: str, verify: str, first_number: int) -> Flow:
    """First sign-ins: every one by a number that was never seen."""
    numbers = itertools.count(first_number)

    def flow():
        phone = f"+79{next(numbers):09}"
        sent = _expect(b"otp", *(yield "send", _request("POST", send, {"phone_number": phone})))
        code = {key: sent[key] for key in ("otp", "challenge", "phone_number") if key in sent}
        _expect(b'"token"', *(yield "verify", _request("POST", verify, code)))

    return flow


def send_code(*, path: str, first_number: int) -> Flow:
    numbers = itertools.count(first_number)

    def flow():
        phone = f"+79{next(numbers):09}"
        _expect(b"otp", *(yield "send", _request("POST", path, {"phone_number": phone})))

    return flow


def activate(*, path: str, tokens: list[str], codes: list[str]) -> Flow:
    """Each token enters one code, in turn."""
    left: Iterator[tuple[str, str]] = zip(tokens, itertools.cycle(codes))

    def flow():
        token, code = next(left, (None, None))
        if token is None:
            raise Unexpected("nobody left to activate")
        request = _request("POST", path, {"activated_invite_code": code}, token=token)
        _expect(b"you_invited_by", *(yield "activate", request))

    return flow


def _request(method: str, path: str, body: dict | None = None, token: str | None = None) -> bytes:
    content = json.dumps(body).encode() if body else b""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json", "Accept-Language: en"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _expect(word: bytes, status: int, body: bytes) -> dict:
    if status != 200 or word not in body or b'"errors"' in body:
        raise Unexpected(f"{status} {body[:80].decode(errors='replace')}")
    return json.loads(body) if word == b"otp" else {}
