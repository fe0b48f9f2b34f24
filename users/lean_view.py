"""The REST door of the fast path: a GET that is asked all day goes without what DRF does for calls with a body."""

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from users.errors import DomainError


class LeanView(APIView):
    """`answer` returns the JSON body of a GET, and sees to it that its caller may have it.

    DRF's request, negotiation, rendering and response cost more than the profile they show. A refusal goes through
    DRF, to be shown like every other, and so does every other method.
    """

    _refusal: Exception | None = None

    def answer(self, request: HttpRequest) -> dict:
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args, **kwargs):
        if request.method in {"GET", "HEAD"}:
            try:
                return HttpResponse(orjson.dumps(self.answer(request)), content_type="application/json")
            except (DomainError, OperationalError, InterfaceError) as refusal:
                self._refusal = refusal
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args, **kwargs) -> None:
        if self._refusal:
            raise self._refusal
        super().initial(request, *args, **kwargs)
