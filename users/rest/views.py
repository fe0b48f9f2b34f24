"""The calls: each parses, calls one service and shows. `me` is in a file of its own."""

from django.http import StreamingHttpResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from users import callers, services
from users.rest import openapi, serializers


class PublicView(APIView):
    """For everybody: a token in the header is not even looked at, so an old one is in nobody's way."""

    authentication_classes = ()
    permission_classes = ()


class SendOTP(PublicView):
    @openapi.send_otp
    def post(self, request: Request) -> Response:
        """Send a one-time code by SMS.

        Takes one to two seconds. The answer's `challenge`, which is also set as a cookie, must come back with the code.
        """
        given = _read(serializers.SendOTPRequest, request)
        sent = services.request_code(
            phone=given["phone_number"],
            challenge=callers.challenge_of(request, given.get("challenge")),
            client=callers.client_of(request),
        )
        response = Response(serializers.sent_code(sent))
        callers.keep_challenge(response, sent.challenge)
        return response


class Auth(PublicView):
    @openapi.auth
    def post(self, request: Request) -> Response:
        """Sign in with the code; the first time this registers the user."""
        given = _read(serializers.AuthRequest, request)
        signed_in = services.verify_code(
            code=given["otp"],
            challenge=callers.challenge_of(request, given.get("challenge")),
            phone=given.get("phone_number"),
            client=callers.client_of(request),
            start_afresh=given["start_afresh"],
        )
        return Response(serializers.signed_in(signed_in))


class RefreshToken(PublicView):
    @openapi.refresh
    def post(self, request: Request) -> Response:
        """Change a refresh token for a new pair. The old one is good for ten more seconds, then its reuse signs out."""
        given = _read(serializers.RefreshRequest, request)
        return Response(serializers.refreshed(services.refresh(refresh_token=given["refresh_token"])))


class Logout(APIView):
    @openapi.logout
    def post(self, request: Request) -> Response:
        """End this session, or all of yours: their tokens are refused from the next request on."""
        given = _read(serializers.LogoutRequest, request)
        services.logout(user=request.user, everywhere=bool(given["everywhere"]))
        return Response(status=204)


class DeleteMe(APIView):
    @openapi.delete_me
    def post(self, request: Request) -> Response:
        """Delete your account. Confirmed by a fresh code: ask for one with `send_otp` first."""
        given = _read(serializers.ConfirmRequest, request)
        services.delete_account(
            user=request.user, code=given["otp"], challenge=callers.challenge_of(request, given.get("challenge"))
        )
        return Response(status=204)


class MyPhone(APIView):
    @openapi.change_phone
    def put(self, request: Request) -> Response:
        """Change your number for the one the code was sent to: ask for it with `send_otp` first.

        You must have signed in within the last ten minutes. Your id, code and referrals stay, your other sessions end,
        and the old number is told.
        """
        given = _read(serializers.ChangePhoneRequest, request)
        user = services.change_phone(
            user=request.user,
            code=given["otp"],
            challenge=callers.challenge_of(request, given.get("challenge")),
            client=callers.client_of(request),
        )
        return Response(serializers.profile(services.profile_of(user=user), _refs_url(request)))


class Export(APIView):
    @openapi.export
    def get(self, request: Request) -> StreamingHttpResponse:
        """Everything we keep about you."""
        return StreamingHttpResponse(services.export_of(user=request.user), content_type="application/json")


class Refs(APIView):
    @openapi.refs
    def get(self, request: Request) -> Response:
        """Everybody who entered your code, newest first, a hundred at once."""
        found = services.referrals(user=request.user, cursor=request.GET.get("cursor"))
        return Response(serializers.refs(found, _refs_url(request)))


class Sessions(APIView):
    @openapi.sessions
    def get(self, request: Request) -> Response:
        """Where you are signed in, newest first, a hundred at once."""
        found = services.sessions_of(user=request.user, cursor=request.GET.get("cursor"))
        return Response(serializers.sessions(found, request.build_absolute_uri(reverse("sessions"))))


class OneSession(APIView):
    @openapi.end_session
    def delete(self, request: Request, session_id: str) -> Response:
        """Sign one of your clients out: its tokens are refused from its next request on."""
        services.end_session(user=request.user, session_id=session_id)
        return Response(status=204)


class UserProfile(APIView):
    @openapi.user_profile
    def get(self, request: Request, user_id: str) -> Response:
        """Somebody's profile. Every phone number is masked unless it is your own page."""
        profile = services.user_profile(viewer=request.user, user_id=user_id)
        refs_url = _refs_url(request) if profile.id == request.user.id else None
        return Response(serializers.profile(profile, refs_url))


class Referal(APIView):
    @openapi.referal
    def post(self, request: Request) -> Response:
        """Enter somebody's invite code: once, for ever. Its owner will see your number."""
        given = _read(serializers.ReferalRequest, request)
        activated = services.activate_invite(
            user=request.user, invite_code=given["activated_invite_code"], phone=given.get("phone_number")
        )
        return Response(serializers.activated(request.user, activated))


def _read(serializer_class: type[Serializer], request: Request) -> dict:
    """The body's fields. Raises ValidationError, ParseError, UnsupportedMediaType."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _refs_url(request: Request) -> str:
    return request.build_absolute_uri(reverse("refs"))
