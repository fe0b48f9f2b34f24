"""A code on its way, for every page that sends one: the sign-in, another number, leaving."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from users import callers, services


def send(request: HttpRequest, phone: str, *, then: str) -> HttpResponse:
    """Redirects to the view `then` after sending, so that neither back nor refresh sends a second message."""
    sent = services.request_code(
        phone=phone, challenge=callers.challenge_of(request, None), client=callers.client_of(request)
    )
    response = redirect(then)
    callers.keep_challenge(response, sent.challenge)
    return response


def awaited(request: HttpRequest) -> services.AwaitedCode | None:
    """The code this browser was sent last, unless it has been used."""
    return services.awaited_code(challenge=callers.challenge_of(request, None), client=callers.client_of(request))
