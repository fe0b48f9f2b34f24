"""The keys of access tokens: P-256 pairs derived from the secrets, so that there is nothing new to keep.

Who holds a public key can check a token and not make one (RFC 7518, 3.4). Both halves follow from JWT_SECRET_KEY.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

ALGORITHM = "ES256"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SEC 2, 2.4.2)
_SCALAR_BYTES = 48  # 128 bits more than the order has, so that no scalar is likelier than another (FIPS 186-5, A.2.1)


@dataclass(frozen=True)
class KeyPair:
    """`kid` is the public key's thumbprint (RFC 7638); `public` names the one algorithm it is for."""

    kid: str
    private: ec.EllipticCurvePrivateKey
    public: PyJWK
    jwk: dict[str, str]


def signing() -> KeyPair:
    return derive(settings.JWT_SECRET_KEY)


def accepted() -> dict[str, KeyPair]:
    """By `kid`, every key whose tokens are good: the signing one first, then those of a rotation under way."""
    return _by_kid((settings.JWT_SECRET_KEY, *settings.JWT_SECRET_KEY_FALLBACKS))


def jwks() -> dict[str, list[dict[str, str]]]:
    """What others check our tokens with (RFC 7517)."""
    return {"keys": [pair.jwk for pair in accepted().values()]}


@lru_cache(maxsize=8)
def _by_kid(secrets: tuple[str, ...]) -> dict[str, KeyPair]:
    return {pair.kid: pair for pair in map(derive, secrets)}


@lru_cache(maxsize=32)
def derive(secret: str) -> KeyPair:
    """The same pair for the same secret, on every instance and after every restart."""
    private = ec.derive_private_key(_scalar(secret), ec.SECP256R1())
    public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    kid = _thumbprint(public)
    jwk = public | {"kid": kid, "alg": ALGORITHM, "use": "sig"}
    return KeyPair(kid, private, PyJWK(jwk), jwk)


def _scalar(secret: str) -> int:
    derived = HKDF(SHA256(), _SCALAR_BYTES, salt=None, info=b"zovi access token ES256").derive(secret.encode())
    return int.from_bytes(derived) % (_ORDER - 1) + 1


def _thumbprint(public: dict[str, str]) -> str:
    required = {name: public[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
