"""The demo's phone: the messages that a real gateway would have sent. There is none outside a demo."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from users import services


def inbox(request: HttpRequest) -> HttpResponse:
    return render(request, "users/inbox.html", {"inbox": services.inbox()})
