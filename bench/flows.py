"""What clients say and what they expect. A flow takes a way to ask, one thing to do, and the job it belongs to."""

import json
from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes


Ask = Callable[[str], Awaitable[Answer]]


class Unexpected(Exception):
    """The server did not do its job; the text says what came instead."""


class Refused(Exception):
    """503 with Retry-After: the server says that it is full."""


async def read(ask: Ask, request: str, job: dict) -> None:
    _expect(await ask(request), holds=job["holds"])


async def sign_in(ask: Ask, phone: str, job: dict) -> str:
    """Asks for a code, enters it, returns the token."""
    sent = await send_code(ask, phone, job)
    entered = {key: sent[key] for key in ("otp", "challenge", "phone_number") if key in sent}
    answer = await ask(request("POST", f"{job['prefix']}/auth/", body=entered))
    return _expect(answer, holds="token")["token"]


async def send_code(ask: Ask, phone: str, job: dict) -> dict:
    answer = await ask(request("POST", f"{job['prefix']}/send_otp/", body={"phone_number": phone}))
    return _expect(answer, holds="otp")


async def activate(ask: Ask, entering: list[str], job: dict) -> None:
    token, code = entering
    asked = request("POST", f"{job['prefix']}/referal/", bearer(token), {"activated_invite_code": code})
    _expect(await ask(asked), holds="you_invited_by")


def request(method: str, path: str, header: str = "", body: dict | None = None) -> str:
    content = json.dumps(body) if body else ""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json", "Accept-Language: en"]
    if header:
        lines.append(header)
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", content])


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def _expect(answer: Answer, holds: str) -> dict:
    if answer.status == 503 and b"retry-after" in answer.headers:
        raise Refused
    if answer.status != 200:
        raise Unexpected(f"{answer.status} {answer.body[:80].decode(errors='replace')}")
    if holds.encode() not in answer.body or b'"errors"' in answer.body:
        raise Unexpected(f"200 without {holds}, or with errors")
    return json.loads(answer.body)
