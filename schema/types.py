"""What the API shows: GraphQL types over the services' answers. Descriptions are the documentation."""

import graphene
from django.utils.functional import cached_property

from users import models, services

DEFAULT_FIRST = 50
Slice = services.ReferralSlice | services.SessionSlice


class Caller:
    """Whoever is asking, as a User: read on the way of finding out who it is."""

    def __init__(self, context):
        self.context, self.profile = context, context.profile
        self.id, self.phone, self.invite_code = self.profile.id, self.profile.phone, self.profile.invite_code

    def slice(self, *, cursor: str | None, first: int) -> services.ReferralSlice:
        return services.referrals(user=self.context.user, cursor=cursor, first=first)

    def sessions(self, *, cursor: str | None, first: int) -> services.SessionSlice:
        return services.sessions_of(user=self.context.user, cursor=cursor, first=first)


class Me:
    """The same after a mutation. Their own row is at hand; the rest is read once, when a field first asks for it."""

    def __init__(self, user: models.User):
        self.user = user
        self.id, self.phone, self.invite_code = user.id, user.phone, user.invite_code

    @cached_property
    def profile(self) -> services.Profile:
        return services.profile_of(user=self.user)

    def slice(self, *, cursor: str | None, first: int) -> services.ReferralSlice:
        return services.referrals(user=self.user, cursor=cursor, first=first)

    def sessions(self, *, cursor: str | None, first: int) -> services.SessionSlice:
        return services.sessions_of(user=self.user, cursor=cursor, first=first)


class Somebody:
    """Anybody as a User, as the viewer may see them."""

    def __init__(self, viewer: models.User, profile: services.Profile):
        self.viewer, self.profile = viewer, profile
        self.id, self.phone, self.invite_code = profile.id, profile.phone, profile.invite_code

    def slice(self, *, cursor: str | None, first: int) -> services.ReferralSlice:
        return services.user_referrals(viewer=self.viewer, user_id=str(self.id), cursor=cursor, first=first)

    def sessions(self, *, cursor: str | None, first: int) -> services.SessionSlice | None:
        """Nobody sees where others are signed in."""
        is_own = self.viewer.id == self.id
        return services.sessions_of(user=self.viewer, cursor=cursor, first=first) if is_own else None


class PageInfo(graphene.ObjectType):
    """Where a page stands in its list."""

    has_next_page = graphene.Boolean(required=True, description="Whether there is more after this page.")
    has_previous_page = graphene.Boolean(required=True, description="Whether there is something before this page.")
    start_cursor = graphene.String(description="The cursor of the first edge; null on an empty page.")
    end_cursor = graphene.String(description="The cursor of the last edge; null on an empty page.")

    @staticmethod
    def resolve_has_next_page(found: Slice, info) -> bool:
        return found.next is not None

    @staticmethod
    def resolve_has_previous_page(found: Slice, info) -> bool:
        return found.previous is not None

    @staticmethod
    def resolve_start_cursor(found: Slice, info) -> str | None:
        return found.items[0].cursor if found.items else None

    @staticmethod
    def resolve_end_cursor(found: Slice, info) -> str | None:
        return found.items[-1].cursor if found.items else None


class Referral(graphene.ObjectType):
    """Somebody who entered the user's invite code."""

    phone_number = graphene.String(
        required=True, source="phone", description="E.164 for the owner of the code; masked for everybody else."
    )
    activated_at = graphene.DateTime(required=True, description="When they entered the code, ISO 8601.")


class ReferralEdge(graphene.ObjectType):
    """A referral and its place in the list."""

    cursor = graphene.String(required=True, description="Opaque. As `after`, it continues the list behind this edge.")
    node = graphene.Field(Referral, required=True, description="The referral itself.")

    @staticmethod
    def resolve_node(referral: services.Referral, info) -> services.Referral:
        return referral


class ReferralConnection(graphene.ObjectType):
    """One page of referrals, newest first."""

    edges = graphene.List(
        graphene.NonNull(ReferralEdge), required=True, source="items", description="The page's referrals."
    )
    page_info = graphene.Field(PageInfo, required=True, description="Whether and where the list goes on.")

    @staticmethod
    def resolve_page_info(found: services.ReferralSlice, info) -> services.ReferralSlice:
        return found


class Session(graphene.ObjectType):
    """A browser or an app that is signed in."""

    id = graphene.ID(required=True, description="A UUID, for `endSession`.")
    browser = graphene.String(required=True, description="What people call it: `Chrome, Android`.")
    address = graphene.String(required=True, description="Where it signed in from.")
    signed_in_at = graphene.DateTime(required=True, description="When it signed in, ISO 8601.")
    last_seen_at = graphene.DateTime(
        required=True, description="Of a page give or take ten minutes, of an app its last refresh."
    )
    current = graphene.Boolean(required=True, description="Whether it is the one that asks.")


class SessionEdge(graphene.ObjectType):
    """A session and its place in the list."""

    cursor = graphene.String(required=True, description="Opaque. As `after`, it continues the list behind this edge.")
    node = graphene.Field(Session, required=True, description="The session itself.")

    @staticmethod
    def resolve_node(session: services.OwnSession, info) -> services.OwnSession:
        return session


class SessionConnection(graphene.ObjectType):
    """One page of sessions, newest first."""

    edges = graphene.List(
        graphene.NonNull(SessionEdge), required=True, source="items", description="The page's sessions."
    )
    page_info = graphene.Field(PageInfo, required=True, description="Whether and where the list goes on.")

    @staticmethod
    def resolve_page_info(found: services.SessionSlice, info) -> services.SessionSlice:
        return found


class User(graphene.ObjectType):
    """Somebody who has signed in. In other people's profiles every phone number is masked."""

    id = graphene.ID(required=True, description="A UUID.")
    phone_number = graphene.String(required=True, source="phone", description="E.164; masked unless it is your own.")
    invite_code = graphene.String(required=True, description="The personal code, 6 characters. It never changes.")
    activated_invite_code = graphene.String(description="The code this user has entered; null until then.")
    referrals = graphene.List(
        graphene.NonNull(graphene.String),
        required=True,
        description="Phone numbers of those who entered this user's code: newest first, the first 100.",
    )
    referrals_count = graphene.Int(required=True, description="How many have entered this user's code.")
    invite_opened = graphene.Int(required=True, description="How many times this user's invite link was opened.")
    referral_connection = graphene.Field(
        ReferralConnection,
        required=True,
        description="Everybody who entered this user's code, page by page, newest first.",
        first=graphene.Int(default_value=DEFAULT_FIRST, description="How many at once, from 1 to 100."),
        after=graphene.String(description="The `endCursor` of the page before; without it, the first page."),
    )

    sessions = graphene.Field(
        SessionConnection,
        description="Where you are signed in, newest first; null for everybody else.",
        first=graphene.Int(default_value=DEFAULT_FIRST, description="How many at once, from 1 to 100."),
        after=graphene.String(description="The `endCursor` of the page before; without it, the first page."),
    )

    @staticmethod
    def resolve_activated_invite_code(person: Caller | Me | Somebody, info) -> str | None:
        return person.profile.activated_invite_code

    @staticmethod
    def resolve_referrals(person: Caller | Me | Somebody, info) -> list[str]:
        return person.profile.phones

    @staticmethod
    def resolve_referrals_count(person: Caller | Me | Somebody, info) -> int:
        return person.profile.referrals_count

    @staticmethod
    def resolve_invite_opened(person: Caller | Me | Somebody, info) -> int:
        return person.profile.invite_opened

    @staticmethod
    def resolve_referral_connection(
        person: Caller | Me | Somebody, info, first: int | None = None, after: str | None = None
    ) -> services.ReferralSlice:
        return person.slice(cursor=after, first=DEFAULT_FIRST if first is None else first)

    @staticmethod
    def resolve_sessions(
        person: Caller | Me | Somebody, info, first: int | None = None, after: str | None = None
    ) -> services.SessionSlice | None:
        return person.sessions(cursor=after, first=DEFAULT_FIRST if first is None else first)


class RequestCode(graphene.ObjectType):
    """A code is on its way."""

    phone_number = graphene.String(required=True, source="phone", description="The number it went to, E.164.")
    otp = graphene.String(description="The code itself in a demo, else null.")
    challenge = graphene.String(
        required=True, description="Opaque. Send it back with the code; it is also set as an HttpOnly cookie."
    )
    channel = graphene.String(required=True, description="How it goes: `sms`, `call`, `telegram` or another word.")
    expires_in = graphene.Int(required=True, description="Seconds the code lives.")
    resend_in = graphene.Int(required=True, description="Seconds until another may be asked for.")


class RefreshToken(graphene.ObjectType):
    """The next pair of tokens of a session."""

    token = graphene.String(required=True, description="Access token, a JWT: `Authorization: Bearer <token>`.")
    refresh_token = graphene.String(required=True, description="Opaque. Changes with every refresh.")
    token_type = graphene.String(required=True, description="Bearer")
    expires_in = graphene.Int(required=True, description="Seconds the access token lives.")

    @staticmethod
    def resolve_token(signed_in: services.SignIn, info) -> str:
        return signed_in.tokens.access

    @staticmethod
    def resolve_refresh_token(signed_in: services.SignIn, info) -> str:
        return signed_in.tokens.refresh

    @staticmethod
    def resolve_token_type(signed_in: services.SignIn, info) -> str:
        return signed_in.tokens.token_type

    @staticmethod
    def resolve_expires_in(signed_in: services.SignIn, info) -> int:
        return signed_in.tokens.expires_in


class VerifyCode(RefreshToken):
    """Signed in."""

    is_new_user = graphene.Boolean(required=True, description="Whether this sign-in registered the user.")
    # Nullable: should the profile fail to load, the tokens must still arrive.
    me = graphene.Field(User, description="Who has signed in.")

    @staticmethod
    def resolve_me(signed_in: services.SignIn, info) -> Me:
        return Me(signed_in.user)


class ActivateInvite(graphene.ObjectType):
    """The invite code has been entered, now or before."""

    me = graphene.Field(User, description="You, with `activatedInviteCode` set.")
    invited_by = graphene.String(required=True, description="The inviter's phone number, masked.")

    @staticmethod
    def resolve_me(activated: services.ActivatedInvite, info) -> Me:
        return Me(info.context.user)

    @staticmethod
    def resolve_invited_by(activated: services.ActivatedInvite, info) -> str:
        return activated.inviter_phone


class ChangePhone(graphene.ObjectType):
    """The account has another number."""

    me = graphene.Field(User, description="You, with the new `phoneNumber`.")

    @staticmethod
    def resolve_me(user: models.User, info) -> Me:
        return Me(user)


class DeleteAccount(graphene.ObjectType):
    """The account is gone, and its number with it."""

    ok = graphene.Boolean(required=True, description="Always true: what can go wrong is an error.")

    @staticmethod
    def resolve_ok(done: bool, info) -> bool:
        return done


class JSON(graphene.Scalar):
    """Plain JSON, without a shape of its own."""

    serialize = staticmethod(lambda value: value)


class Logout(graphene.ObjectType):
    """The session has ended."""

    ok = graphene.Boolean(required=True, description="Always true: what can go wrong is an error.")

    @staticmethod
    def resolve_ok(done: bool, info) -> bool:
        return done


class EndSession(graphene.ObjectType):
    """The session has ended."""

    ok = graphene.Boolean(required=True, description="Always true: what can go wrong is an error.")

    @staticmethod
    def resolve_ok(done: bool, info) -> bool:
        return done
