"""`GET /api/users/me/`: a plain view of Django's, for the call that apps make most.

In DRF's ordinary way, with an authentication before it, the call takes 1.8 times as long (measured in process: 447 µs
for 241). So nothing of DRF's is asked here, and a class that sets any of it does not come to be.
"""

import orjson
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View
from rest_framework.permissions import IsAuthenticated
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from users import callers, services, tokens
from users.errors import MethodNotAllowed
from users.rest import serializers
from users.rest.authentication import TokenAuthentication
from users.rest.content import JSONRenderer

# What a plain view does by itself; with other defaults than these, DRF's views would do something else.
_DONE_HERE = {
    "DEFAULT_AUTHENTICATION_CLASSES": [TokenAuthentication],
    "DEFAULT_PERMISSION_CLASSES": [IsAuthenticated],
    "DEFAULT_RENDERER_CLASSES": [JSONRenderer],
    "DEFAULT_THROTTLE_CLASSES": [],
    "DEFAULT_VERSIONING_CLASS": None,
}


class PlainView(View):
    """For GET by whoever has a token. Other methods are refused as DRF's views refuse them."""

    def __init_subclass__(cls) -> None:
        ignored = {name for name in dir(cls) if hasattr(APIView, name) and not hasattr(View, name)}
        ignored |= {name for name, done in _DONE_HERE.items() if getattr(api_settings, name) != done}
        if ignored:
            raise ImproperlyConfigured(f"{cls.__name__} is no view of DRF's and would not obey {sorted(ignored)}")

    def http_method_not_allowed(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        tokens.authenticate(callers.authorization_of(request))
        raise MethodNotAllowed(allowed=self._allowed_methods())

    options = http_method_not_allowed


class Me(PlainView):
    def get(self, request: HttpRequest) -> HttpResponse:
        """Reading the profile checks the session on the way."""
        profile = services.own_profile(authorization=callers.authorization_of(request))
        refs_url = request.build_absolute_uri(reverse("refs")) if profile.next else None
        return HttpResponse(orjson.dumps(serializers.profile(profile, refs_url)), content_type="application/json")
