"""The usual fast Python: FastAPI and asyncpg under uvicorn with uvloop, one statement, no session check."""

import os
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

KEY = os.environ["BENCH_KEY"]
ME = """
    SELECT u.id::text, u.phone_number, u.invite_code, i.invite_code AS activated_invite_code,
           ARRAY(SELECT phone_number FROM bench_user WHERE inviter_id = u.id ORDER BY joined_at DESC LIMIT 100) AS refs,
           (SELECT count(*) FROM bench_user WHERE inviter_id = u.id) AS refs_count
    FROM bench_user u LEFT JOIN bench_user i ON i.id = u.inviter_id WHERE u.id = $1
"""


class Profile(BaseModel):
    id: str
    phone_number: str
    invite_code: str
    activated_invite_code: str | None
    refs: list[str]
    refs_count: int


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=8, max_size=8) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


async def user_id(authorization: Annotated[str, Header()]) -> str:
    try:
        return jwt.decode(authorization.removeprefix("Bearer "), KEY, algorithms=["HS256"])["sub"]
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


@app.get("/me/")
async def me(user_id: Annotated[str, Depends(user_id)]) -> Profile:
    row = await app.state.pool.fetchrow(ME, user_id)
    if row is None:
        raise HTTPException(404)
    return Profile(**row)
