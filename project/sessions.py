"""Django's sessions in the database, honest about a database that does not answer."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, UpdateError
from django.db import InterfaceError, OperationalError


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """One that Django cannot have drawn is none; with a NUL in it the database would not even look."""
        return bool(key and super()._validate_session_key(key) and set(key) <= set(VALID_KEY_CHARS))

    def save(self, must_create: bool = False) -> None:
        """Django takes every failure for a session that was deleted meanwhile, and answers 400."""
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError | InterfaceError):
                raise error.__context__ from None
            raise
