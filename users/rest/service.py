"""The door for one's own backend: `Authorization: Service <secret>`, numbers in full."""

from typing import ClassVar

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from users import audit, services
from users.rest import openapi_service as openapi
from users.rest import serializers
from users.rest.authentication import ServiceAuthentication
from users.rest.errors import FIELD_NAMES


class ServiceView(APIView):
    authentication_classes = (ServiceAuthentication,)
    field_names: ClassVar[dict[str, str]] = FIELD_NAMES | {"invite_code": "invite_code"}

    def initial(self, request: Request, *args, **kwargs) -> None:
        super().initial(request, *args, **kwargs)
        audit.service_called(request.user.name, type(self).__name__)


class Member(ServiceView):
    @openapi.member
    def get(self, request: Request, user_id: str) -> Response:
        """A user, with full numbers, switched off or not."""
        return Response(_member(request, services.member(user_id=user_id)))


class MemberRefs(ServiceView):
    @openapi.member_refs
    def get(self, request: Request, user_id: str) -> Response:
        """Everybody who entered a user's code, newest first, a hundred at once."""
        found = services.member_referrals(user_id=user_id, cursor=request.GET.get("cursor"))
        return Response(serializers.refs(found, _refs_url(request, user_id)))


class Find(ServiceView):
    @openapi.find
    def post(self, request: Request) -> Response:
        """The user with that phone number or invite code, each in any usual form."""
        given = _checked(serializers.FindRequest, request.data)
        found = services.find_member(phone=given.get("phone_number"), invite_code=given.get("invite_code"))
        return Response(_member(request, found))


class Disable(ServiceView):
    @openapi.disable
    def post(self, request: Request, user_id: str) -> Response:
        """Keep a user out: their sessions end with their next request. Again changes nothing."""
        return Response(_member(request, services.switch_member(user_id=user_id, active=False)))


class Enable(ServiceView):
    @openapi.enable
    def post(self, request: Request, user_id: str) -> Response:
        """Let a user in again; they sign in anew. Again changes nothing."""
        return Response(_member(request, services.switch_member(user_id=user_id, active=True)))


class Introspect(ServiceView):
    @openapi.introspect
    def post(self, request: Request) -> Response:
        """Is an access token good at this moment, and whose is it (RFC 7662)? Sees a logout at once."""
        given = _checked(serializers.IntrospectRequest, request.data)
        return Response(services.introspect(token=given["token"]))


class Events(ServiceView):
    @openapi.events
    def get(self, request: Request) -> Response:
        """What has happened, oldest first. `next` is where to go on, now or later; nothing is ever skipped."""
        given = _checked(serializers.EventsQuery, request.GET)
        found = services.events_after(cursor=given.get("after"), limit=given["limit"], kind=given.get("type"))
        return Response({"results": [event.as_dict() for event in found.items], "next": found.next})


def _checked(serializer_class: type[Serializer], given: object) -> dict:
    """Raises ValidationError."""
    serializer = serializer_class(data=given)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _member(request: Request, found: services.Member) -> dict:
    return serializers.member(found, _refs_url(request, str(found.profile.id)))


def _refs_url(request: Request, user_id: str) -> str:
    return request.build_absolute_uri(reverse("service_member_refs", args=[user_id]))
