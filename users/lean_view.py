"""The REST door of the fast path: a GET that is asked all day goes without what DRF does for calls with a body."""

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users.errors import DomainError


class LeanView(APIView):
    """`answer` returns the JSON body, and sees to it that its caller may have it.

    DRF's request, negotiation, rendering and response cost more than the profile they show. A refusal goes through
    DRF, to be shown like every other.
    """

    authentication_classes = ()
    permission_classes = ()

    def answer(self, request: HttpRequest) -> dict:
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args, **kwargs):
        if request.method not in {"GET", "HEAD"}:
            return super().dispatch(request, *args, **kwargs)
        try:
            return HttpResponse(orjson.dumps(self.answer(request)), content_type="application/json")
        except (DomainError, OperationalError, InterfaceError) as refusal:
            self._refusal = refusal
            return super().dispatch(request, *args, **kwargs)

    def get(self, request: Request) -> Response:
        raise self._refusal
