"""What the two Django baselines share: one user table, as most solutions of this task have it, and JWT."""

import secrets

import jwt
from django.conf import settings
from django.db import models

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


class User(models.Model):
    id = models.UUIDField(primary_key=True)
    phone_number = models.CharField(max_length=16, unique=True)
    invite_code = models.CharField(max_length=6, unique=True)
    inviter = models.ForeignKey("self", models.SET_NULL, null=True, related_name="invited")
    joined_at = models.DateTimeField(auto_now_add=True)
    is_authenticated = True

    class Meta:
        db_table = "bench_user"
        managed = False


class OneTimeCode(models.Model):
    phone_number = models.CharField(max_length=16, unique=True)
    code = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "bench_code"
        managed = False


def draw_invite_code() -> str:
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(6))
        if not User.objects.filter(invite_code=code).exists():
            return code


def user_of(request) -> User | None:
    """Whoever the request's Bearer token names."""
    token = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    try:
        return User.objects.get(pk=jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"])["sub"])
    except (jwt.InvalidTokenError, User.DoesNotExist):
        return None
