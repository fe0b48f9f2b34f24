"""What can be done: each field calls one service. A document may do one of these, once."""

import graphene

from schema import types
from users import models, services


class Mutation(graphene.ObjectType):
    """What can be done, one field a document."""

    request_code = graphene.Field(
        types.RequestCode,
        description="Send a one-time code by SMS. Takes one to two seconds; a token in the header is not looked at.",
        phone_number=graphene.String(required=True, description="In any usual form: `8 913 674-00-00`."),
        challenge=graphene.String(description="On a resend, the earlier one, which this ends. Default: the cookie."),
    )
    verify_code = graphene.Field(
        types.VerifyCode,
        description="Sign in with the code; the first time this registers the user. Each try is counted.",
        code=graphene.String(required=True, description="The code from the message, 4 to 8 digits."),
        challenge=graphene.String(description="From `requestCode`. Default: the cookie."),
        phone_number=graphene.String(description="If sent, it must be the number the code went to."),
        start_afresh=graphene.Boolean(
            description="After `account_idle`, with the same code: false, the account is mine; true, a new one."
        ),
    )
    activate_invite = graphene.Field(
        types.ActivateInvite,
        description="Enter somebody's invite code: once, for ever. Its owner will see your number. Needs a token.",
        invite_code=graphene.String(required=True, description="Case, spaces and hyphens do not matter."),
    )
    refresh_token = graphene.Field(
        types.RefreshToken,
        description="Change a refresh token for a new pair. The old one is good for ten more seconds; after that its "
        "reuse ends the session.",
        refresh_token=graphene.String(required=True, description="From `verifyCode` or the last `refreshToken`."),
    )
    logout = graphene.Field(
        types.Logout,
        description="End this session: its tokens are refused from the next request on. Needs a token.",
        everywhere=graphene.Boolean(default_value=False, description="Every session of yours, not this alone."),
    )
    end_session = graphene.Field(
        types.EndSession,
        description="Sign one of your clients out: its tokens are refused from its next request on. Needs a token.",
        id=graphene.ID(required=True, description="From `sessions`."),
    )
    change_phone = graphene.Field(
        types.ChangePhone,
        description="Change your number for the one the code was sent to: `requestCode` first. You must have signed in "
        "within the last ten minutes; your other sessions end, and the old number is told. Needs a token.",
        code=graphene.String(required=True, description="The code from the message."),
        challenge=graphene.String(description="From `requestCode`. Default: the cookie."),
    )
    delete_account = graphene.Field(
        types.DeleteAccount,
        description="Delete your account, confirmed by a fresh code to your own number: `requestCode` first.",
        code=graphene.String(required=True, description="The code from the message."),
        challenge=graphene.String(description="From `requestCode`. Default: the cookie."),
    )

    @staticmethod
    def resolve_request_code(root, info, phone_number: str, challenge: str | None = None) -> services.SentCode:
        sent = services.request_code(
            phone=phone_number, challenge=info.context.challenge(challenge), client=info.context.client
        )
        info.context.sent_challenge = sent.challenge
        return sent

    @staticmethod
    def resolve_verify_code(
        root,
        info,
        code: str,
        challenge: str | None = None,
        phone_number: str | None = None,
        start_afresh: bool | None = None,
    ) -> services.SignIn:
        return services.verify_code(
            code=code,
            challenge=info.context.challenge(challenge),
            phone=phone_number,
            client=info.context.client,
            start_afresh=start_afresh,
        )

    @staticmethod
    def resolve_activate_invite(root, info, invite_code: str) -> services.ActivatedInvite:
        return services.activate_invite(user=info.context.user, invite_code=invite_code)

    @staticmethod
    def resolve_refresh_token(root, info, refresh_token: str) -> services.SignIn:
        return services.refresh(refresh_token=refresh_token)

    @staticmethod
    def resolve_logout(root, info, everywhere: bool | None = False) -> bool:
        services.logout(user=info.context.user, everywhere=bool(everywhere))
        return True

    @staticmethod
    def resolve_end_session(root, info, id: str) -> bool:
        services.end_session(user=info.context.user, session_id=id)
        return True

    @staticmethod
    def resolve_change_phone(root, info, code: str, challenge: str | None = None) -> models.User:
        context = info.context
        return services.change_phone(
            user=context.user, code=code, challenge=context.challenge(challenge), client=context.client
        )

    @staticmethod
    def resolve_delete_account(root, info, code: str, challenge: str | None = None) -> bool:
        services.delete_account(user=info.context.user, code=code, challenge=info.context.challenge(challenge))
        return True
