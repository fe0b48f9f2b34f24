"""The shapes of the REST API: which fields there are. What may be in them, the services know."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from users import codes
from users.models import User
from users.services import ActivatedInvite, Member, OwnSession, Profile, ReferralSlice, SentCode, SessionSlice, SignIn
from users.webhooks import EventType

OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}  # clients generated from types send null for nothing


@extend_schema_field(str)
class TextField(serializers.Field):
    """A JSON string, as it was sent: a number would have lost its leading zeros."""

    default_error_messages = {"invalid": serializers.CharField.default_error_messages["invalid"]}

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError(self.error_messages["invalid"], code="invalid")
        return data


@extend_schema_field({"type": "string", "pattern": codes.WRITTEN_ONE_TIME_CODE})
class OneTimeCodeField(TextField):
    """The pattern is for those who read the description; the services check it."""


class SendOTPRequest(serializers.Serializer):
    phone_number = TextField(help_text="In any usual form.")
    challenge = TextField(**OPTIONAL, help_text="The earlier challenge, on a resend. Default: the cookie.")


class AuthRequest(serializers.Serializer):
    otp = OneTimeCodeField(help_text="The code from the message, 4 to 8 digits.")
    challenge = TextField(**OPTIONAL, help_text="From `send_otp`. Default: the cookie.")
    phone_number = TextField(**OPTIONAL, help_text="If sent, it must be the number the code went to.")
    start_afresh = serializers.BooleanField(
        **OPTIONAL,
        default=None,
        help_text="After `account_idle`, with the same code: false, the account is mine; true, a new one.",
    )


class ConfirmRequest(serializers.Serializer):
    otp = OneTimeCodeField(help_text="A fresh code, sent to your own number.")
    challenge = TextField(**OPTIONAL, help_text="From `send_otp`. Default: the cookie.")


class ChangePhoneRequest(ConfirmRequest):
    otp = OneTimeCodeField(help_text="A fresh code, sent to the new number.")


class ReferalRequest(serializers.Serializer):
    activated_invite_code = TextField(help_text="In any case, with spaces and hyphens anywhere, or as the invite link.")
    phone_number = TextField(**OPTIONAL, help_text="If sent, it must be your own.")


class RefreshRequest(serializers.Serializer):
    refresh_token = TextField()


class LogoutRequest(serializers.Serializer):
    everywhere = serializers.BooleanField(
        **OPTIONAL, default=False, help_text="Every session of yours, not this alone."
    )


class SendOTPAnswer(serializers.Serializer):
    phone_number = serializers.CharField(help_text="E.164")
    otp = serializers.CharField(allow_null=True, help_text="The code itself in a demo, else null.")
    challenge = serializers.CharField(help_text="Present it with the code. Also set as an HttpOnly cookie.")
    channel = serializers.CharField(help_text="How it goes: `sms`, `call`, `telegram` or another word.")
    expires_in = serializers.IntegerField(help_text="Seconds the code lives.")
    resend_in = serializers.IntegerField(help_text="Seconds until another may be asked for.")


class RefreshAnswer(serializers.Serializer):
    phone_number = serializers.CharField(help_text="E.164")
    token = serializers.CharField(help_text="Access token, a JWT.")
    refresh_token = serializers.CharField(help_text="Opaque. Changes with every refresh.")
    token_type = serializers.CharField(help_text="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds the access token lives.")


class AuthAnswer(RefreshAnswer):
    is_new_user = serializers.BooleanField(help_text="Whether this sign-in registered the user.")


class ProfileAnswer(serializers.Serializer):
    id = serializers.UUIDField()
    phone_number = serializers.CharField(help_text="E.164; masked in somebody else's profile.")
    invite_code = serializers.CharField()
    activated_invite_code = serializers.CharField(allow_null=True)
    refs = serializers.ListField(
        child=serializers.CharField(), help_text="Numbers of those who entered the code, newest first, first 100."
    )
    refs_count = serializers.IntegerField(help_text="How many there are in all.")
    invite_opened = serializers.IntegerField(help_text="How many times the invite link was opened.")
    refs_next = serializers.CharField(allow_null=True, help_text="Where the rest is, if there is more.")


class RefAnswer(serializers.Serializer):
    phone_number = serializers.CharField(help_text="E.164")
    activated_at = serializers.DateTimeField()


class RefsAnswer(serializers.Serializer):
    results = RefAnswer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class SessionAnswer(serializers.Serializer):
    id = serializers.UUIDField()
    browser = serializers.CharField(help_text="What people call it: `Chrome, Android`.")
    address = serializers.CharField()
    signed_in_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField(
        help_text="Of a page give or take ten minutes, of an app its last refresh."
    )
    current = serializers.BooleanField(help_text="Whether it is the one that asks.")


class SessionsAnswer(serializers.Serializer):
    results = SessionAnswer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ExportedActivation(serializers.Serializer):
    invite_code = serializers.CharField()
    inviter = serializers.CharField(allow_null=True, help_text="Masked; null when they have left.")
    at = serializers.DateTimeField()


class ExportedReferral(serializers.Serializer):
    phone_number = serializers.CharField(allow_null=True, help_text="Null when they have left.")
    at = serializers.DateTimeField()


class ExportedSession(serializers.Serializer):
    address = serializers.CharField()
    user_agent = serializers.CharField()
    created_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    refreshed_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class ExportedCode(serializers.Serializer):
    address = serializers.CharField(allow_null=True, help_text="Null where somebody else may have asked.")
    created_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    used_at = serializers.DateTimeField(allow_null=True)


class ExportedOpenings(serializers.Serializer):
    day = serializers.DateField(help_text="UTC's.")
    times = serializers.IntegerField()


class ExportAnswer(serializers.Serializer):
    id = serializers.UUIDField()
    phone_number = serializers.CharField()
    invite_code = serializers.CharField()
    registered_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField(allow_null=True, help_text="In sessions that are kept no more.")
    activated = ExportedActivation(allow_null=True)
    invite_openings = ExportedOpenings(many=True, help_text="Of the invite link, by day, of the last year.")
    referrals = ExportedReferral(many=True)
    sessions = ExportedSession(many=True)
    codes = ExportedCode(many=True)


class MemberAnswer(ProfileAnswer):
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class FindRequest(serializers.Serializer):
    phone_number = TextField(**OPTIONAL, help_text="In any usual form; or")
    invite_code = TextField(**OPTIONAL, help_text="one of the two.")


class IntrospectRequest(serializers.Serializer):
    token = TextField(help_text="An access token.")
    token_type_hint = TextField(**OPTIONAL, help_text="Makes no difference.")


class IntrospectAnswer(serializers.Serializer):
    active = serializers.BooleanField(help_text="When false, there is nothing else.")
    sub = serializers.UUIDField(required=False, help_text="The user's id.")
    sid = serializers.UUIDField(required=False, help_text="The session's id.")
    iat = serializers.IntegerField(required=False)
    exp = serializers.IntegerField(required=False)
    client_id = serializers.CharField(required=False, help_text="JWT_AUDIENCE")
    token_type = serializers.CharField(required=False)


class EventsQuery(serializers.Serializer):
    after = TextField(required=False, help_text="The last `next`; without it, from the oldest that is kept.")
    limit = serializers.IntegerField(default=100, min_value=1, max_value=1000)
    type = serializers.ChoiceField(
        choices=[kind.value for kind in EventType], required=False, allow_blank=True, help_text="Default: every type."
    )


class EventAnswer(serializers.Serializer):
    id = serializers.UUIDField(help_text="The `webhook-id` of its deliveries.")
    type = serializers.ChoiceField(choices=[kind.value for kind in EventType])
    timestamp = serializers.DateTimeField()
    data = serializers.DictField(help_text="Ids, invite codes and times, never a number.")


class EventsAnswer(serializers.Serializer):
    results = EventAnswer(many=True)
    next = serializers.CharField(help_text="Where to go on, also when there is nothing yet.")


class ReferalAnswer(serializers.Serializer):
    phone_number = serializers.CharField(help_text="Your own, E.164.")
    activated_invite_code = serializers.CharField()
    you_invited_by = serializers.CharField(help_text="The inviter's number, masked.")


def sent_code(sent: SentCode) -> dict:
    return {
        "phone_number": sent.phone,
        "otp": sent.otp,
        "challenge": sent.challenge,
        "channel": sent.channel,
        "expires_in": sent.expires_in,
        "resend_in": sent.resend_in,
    }


def refreshed(signed_in: SignIn) -> dict:
    return {
        "phone_number": signed_in.user.phone,
        "token": signed_in.tokens.access,
        "refresh_token": signed_in.tokens.refresh,
        "token_type": signed_in.tokens.token_type,
        "expires_in": signed_in.tokens.expires_in,
    }


def signed_in(signed_in: SignIn) -> dict:
    return refreshed(signed_in) | {"is_new_user": signed_in.is_new_user}


def activated(user: User, activated: ActivatedInvite) -> dict:
    return {
        "phone_number": user.phone,
        "activated_invite_code": activated.invite_code,
        "you_invited_by": activated.inviter_phone,
    }


def profile(profile: Profile, refs_url: str | None) -> dict:
    return {
        "id": profile.id,
        "phone_number": profile.phone,
        "invite_code": profile.invite_code,
        "activated_invite_code": profile.activated_invite_code,
        "refs": profile.phones,
        "refs_count": profile.referrals_count,
        "invite_opened": profile.invite_opened,
        "refs_next": _at(refs_url, profile.next),
    }


def member(found: Member, refs_url: str) -> dict:
    return profile(found.profile, refs_url) | {"is_active": found.is_active, "created_at": found.created_at}


def refs(found: ReferralSlice, refs_url: str) -> dict:
    return {
        "results": [{"phone_number": item.phone, "activated_at": item.activated_at} for item in found.items],
        "next": _at(refs_url, found.next),
        "previous": _at(refs_url, found.previous),
    }


def sessions(found: SessionSlice, sessions_url: str) -> dict:
    return {
        "results": [_session(session) for session in found.items],
        "next": _at(sessions_url, found.next),
        "previous": _at(sessions_url, found.previous),
    }


def _session(session: OwnSession) -> dict:
    return {
        "id": session.id,
        "browser": session.browser,
        "address": session.address,
        "signed_in_at": session.signed_in_at,
        "last_seen_at": session.last_seen_at,
        "current": session.current,
    }


def _at(list_url: str | None, cursor: str | None) -> str | None:
    return f"{list_url}?cursor={cursor}" if list_url and cursor else None
