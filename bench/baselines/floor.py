"""The floor: raw WSGI, PyJWT and one SQL statement. No framework, no session check, no limits, no error format."""

import json
import os
import threading

import jwt
import psycopg2

KEY = os.environ["BENCH_KEY"]
ME = """
    SELECT u.id::text, u.phone_number, u.invite_code, i.invite_code,
           ARRAY(SELECT phone_number FROM bench_user WHERE inviter_id = u.id ORDER BY joined_at DESC LIMIT 100),
           (SELECT count(*) FROM bench_user WHERE inviter_id = u.id)
    FROM bench_user u LEFT JOIN bench_user i ON i.id = u.inviter_id WHERE u.id = %s
"""
FIELDS = ("id", "phone_number", "invite_code", "activated_invite_code", "refs", "refs_count")
local = threading.local()


def connection():
    if not hasattr(local, "connection"):
        local.connection = psycopg2.connect(os.environ["BENCH_DSN"])
        local.connection.autocommit = True
    return local.connection


def application(environ, start_response):
    try:
        claims = jwt.decode(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "), KEY, algorithms=["HS256"])
    except (KeyError, jwt.InvalidTokenError):
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return []
    with connection().cursor() as cursor:
        cursor.execute(ME, [claims["sub"]])
        body = json.dumps(dict(zip(FIELDS, cursor.fetchone(), strict=True))).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
