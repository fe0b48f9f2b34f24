"""Those who check our tokens elsewhere, with what is published and nothing else."""

import json
import subprocess

import jwt

from project import env
from tests import needs


class Python:
    """PyJWT's own client for a JWKS; asks for it now, and keeps it."""

    def __init__(self, base: str):
        self.keys = jwt.PyJWKClient(f"{base}/.well-known/jwks.json", lifespan=600)
        self.keys.get_signing_keys()

    def refused(self, issued: list[str]) -> list[str]:
        """Why, for each token that is not good."""
        return [why for token in issued if (why := self._refusal(token))]

    def _refusal(self, token: str) -> str:
        try:
            key = self.keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=["ES256"], issuer="zovi", audience="zovi")
        except jwt.PyJWTError as error:
            return repr(error)
        return ""


class Node:
    """npm's jose; asks for the JWKS now, and not again for ten minutes."""

    def __init__(self, base: str):
        script = env.ROOT / "npm" / "verify_tokens.mjs"
        self.process = subprocess.Popen(
            [needs.program("node", "npm ci --prefix npm"), str(script), f"{base}/.well-known/jwks.json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.kids = json.loads(self.process.stdout.readline())

    def refused(self, issued: list[str]) -> list[str]:
        return json.loads(self.process.communicate("\n".join(issued))[0])


def refused_by_npm(deliveries: list[tuple[dict[str, str], bytes]], secret: str) -> list[str]:
    """Why, for each delivery that npm's standardwebhooks does not take."""
    lines = [json.dumps({"secret": secret, "headers": headers, "body": body.decode()}) for headers, body in deliveries]
    command = [needs.program("node", "npm ci --prefix npm"), str(env.ROOT / "npm" / "verify_webhooks.mjs")]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
