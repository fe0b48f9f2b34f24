"""Who is asking the REST door."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from users import callers, errors, services, tokens
from users.models import User


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`. No cookie gives identity here, so there is nothing for CSRF to steal."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        authorization = callers.authorization_of(request)
        return (tokens.authenticate(authorization), "token") if authorization else None

    def authenticate_header(self, request: Request) -> str:
        return errors.NotAuthenticated().headers()["WWW-Authenticate"]


class ServiceAuthentication(BaseAuthentication):
    """`Authorization: Service <secret>`, for one's own backend. A user's token opens nothing here."""

    def authenticate(self, request: Request) -> tuple[services.Service, str]:
        scheme, _, secret = callers.authorization_of(request).strip().partition(" ")
        if scheme.lower() != "service":
            raise errors.NoServiceKey()
        address = callers.client_of(request).address
        return services.service_of(secret=secret.strip(), address=address), "service"

    def authenticate_header(self, request: Request) -> str:
        return errors.NoServiceKey().headers()["WWW-Authenticate"]
