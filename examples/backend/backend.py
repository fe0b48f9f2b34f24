"""A small backend beside Zovi: it knows its members, rewards who invited them, and trusts Zovi's tokens.

    pip install "pyjwt[crypto]" standardwebhooks
    ZOVI=http://127.0.0.1:8000 SERVICE_KEY=… WEBHOOK_SECRET=whsec_… python backend.py

Zovi is told to post to http://127.0.0.1:9000/events: see docs/backend.md.
"""

import json
import os
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jwt
from standardwebhooks import Webhook

ZOVI = os.environ.get("ZOVI", "http://127.0.0.1:8000")
ISSUER = os.environ.get("JWT_ISSUER", "zovi")
KEYS = jwt.PyJWKClient(f"{ZOVI}/.well-known/jwks.json", lifespan=600)
WEBHOOK = Webhook(os.environ["WEBHOOK_SECRET"])
DATABASE = sqlite3.connect(os.environ.get("DATABASE", "backend.sqlite3"), check_same_thread=False)
ONE_BY_ONE = threading.Lock()

DATABASE.executescript("""
    CREATE TABLE IF NOT EXISTS members (id TEXT PRIMARY KEY, invite_code TEXT, is_active INTEGER);
    CREATE TABLE IF NOT EXISTS rewards (event TEXT PRIMARY KEY, inviter TEXT);  -- an event is told more than once
    CREATE TABLE IF NOT EXISTS feed (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), cursor TEXT);
""")


def ask(path: str) -> dict | None:
    """What Zovi answers; None when there is no such thing."""
    request = Request(f"{ZOVI}/api/service/{path}", headers={"Authorization": f"Service {os.environ['SERVICE_KEY']}"})
    try:
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        if error.code == 404:
            return None
        raise


def learn(event: dict) -> None:
    """Webhooks come at least once and in any order, so an event only says whom to ask about; a reward has its id."""
    with ONE_BY_ONE, DATABASE:
        if event["type"] == "referral.activated":
            reward = (event["id"], event["data"]["inviter_id"])
            DATABASE.execute("INSERT OR IGNORE INTO rewards VALUES (?, ?)", reward)
        if event["type"].startswith("user."):
            user_id = event["data"]["user_id"]
            user = ask(f"users/{user_id}/")
            DATABASE.execute("DELETE FROM members WHERE id = ?", [user_id])
            if user:
                member = (user["id"], user["invite_code"], user["is_active"])
                DATABASE.execute("INSERT INTO members VALUES (?, ?, ?)", member)


def catch_up() -> None:
    """Read what happened while nobody listened here; where the reading ended is where it goes on next time."""
    cursor = (DATABASE.execute("SELECT cursor FROM feed").fetchone() or [""])[0]
    while (news := ask(f"events/?after={cursor}&limit=500")) and news["results"]:
        for event in news["results"]:
            learn(event)
        cursor = news["next"]
        with ONE_BY_ONE, DATABASE:
            DATABASE.execute("INSERT OR REPLACE INTO feed VALUES (1, ?)", [cursor])


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """`/events`, from Zovi. Anything but 2xx, and it comes again."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            event = WEBHOOK.verify(body, dict(self.headers))
        except Exception:
            return self.answer(400, {"detail": "not signed by Zovi"})
        learn(event)
        return self.answer(200, {})

    def do_GET(self) -> None:
        """`/me`, from an app with Zovi's access token: checked here, without asking Zovi."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            key = KEYS.get_signing_key_from_jwt(token)
            user = jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience="zovi")["sub"]
        except jwt.PyJWTError:
            return self.answer(401, {"detail": "sign in first"})
        [(rewards,)] = DATABASE.execute("SELECT count(*) FROM rewards WHERE inviter = ?", [user])
        return self.answer(200, {"id": user, "rewards": rewards})

    def answer(self, status: int, body: dict) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Handler)
    threading.Thread(target=server.serve_forever).start()  # first listen, then read: nothing falls in between
    catch_up()
