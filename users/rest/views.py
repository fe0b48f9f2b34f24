"""The calls: each parses, calls one service and shows."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from users import callers, services
from users.rest import openapi, serializers
from users.rest.lean_view import LeanView, read, show


class PublicView(LeanView):
    """For everybody: a token in the header is not even looked at, so an old one is in nobody's way."""

    authentication_classes = ()
    permission_classes = ()


class SendOTP(PublicView):
    @openapi.send_otp
    def post(self, request: HttpRequest) -> HttpResponse:
        """Send a one-time code by SMS.

        Takes one to two seconds. The answer's `challenge`, which is also set as a cookie, must come back with the code.
        """
        given = read(serializers.SendOTPRequest, request)
        sent = services.request_code(
            phone=given["phone_number"],
            challenge=callers.challenge_of(request, given.get("challenge")),
            client=callers.client_of(request),
        )
        response = show(serializers.sent_code(sent))
        callers.keep_challenge(response, sent.challenge)
        return response


class Auth(PublicView):
    @openapi.auth
    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign in with the code; the first time this registers the user."""
        given = read(serializers.AuthRequest, request)
        signed_in = services.verify_code(
            code=given["otp"],
            challenge=callers.challenge_of(request, given.get("challenge")),
            phone=given.get("phone_number"),
            client=callers.client_of(request),
        )
        return show(serializers.signed_in(signed_in))


class RefreshToken(PublicView):
    @openapi.refresh
    def post(self, request: HttpRequest) -> HttpResponse:
        """Change a refresh token for a new pair. The old one is good for ten more seconds, then its reuse signs out."""
        given = read(serializers.RefreshRequest, request)
        return show(serializers.refreshed(services.refresh(refresh_token=given["refresh_token"])))


class Logout(LeanView):
    @openapi.logout
    def post(self, request: HttpRequest) -> HttpResponse:
        """End this session: its tokens are refused from the next request on."""
        services.logout(user=request.user)
        return show(None)


class Me(LeanView):
    identifying = frozenset({"GET", "HEAD"})  # reading the profile checks the session on the way

    @openapi.me
    def get(self, request: HttpRequest) -> HttpResponse:
        """Your own profile, with the full numbers of those who entered your code."""
        profile = services.own_profile(authorization=callers.authorization_of(request))
        return show(serializers.profile(profile, profile.next and _refs_url(request)))

    @openapi.delete_me
    def delete(self, request: HttpRequest) -> HttpResponse:
        """Delete your account. Confirmed by a fresh code: ask for one with `send_otp` first."""
        given = read(serializers.ConfirmRequest, request)
        services.delete_account(
            user=request.user, code=given["otp"], challenge=callers.challenge_of(request, given.get("challenge"))
        )
        return show(None)


class Export(LeanView):
    @openapi.export
    def get(self, request: HttpRequest) -> HttpResponse:
        """Everything we keep about you."""
        return show(services.export_of(user=request.user))


class Refs(LeanView):
    @openapi.refs
    def get(self, request: HttpRequest) -> HttpResponse:
        """Everybody who entered your code, newest first, a hundred at once."""
        found = services.referrals(user=request.user, cursor=request.GET.get("cursor"))
        return show(serializers.refs(found, _refs_url(request)))


class UserProfile(LeanView):
    @openapi.user_profile
    def get(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Somebody's profile. Every phone number is masked unless it is your own page."""
        profile = services.user_profile(viewer=request.user, user_id=user_id)
        refs_url = _refs_url(request) if profile.id == request.user.id else None
        return show(serializers.profile(profile, refs_url))


class Referal(LeanView):
    @openapi.referal
    def post(self, request: HttpRequest) -> HttpResponse:
        """Enter somebody's invite code: once, for ever. Its owner will see your number."""
        given = read(serializers.ReferalRequest, request)
        activated = services.activate_invite(
            user=request.user, invite_code=given["activated_invite_code"], phone=given.get("phone_number")
        )
        return show(serializers.activated(request.user, activated))


def _refs_url(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("refs"))
