"""What can be asked: each field asks one service."""

import json

import graphene

from schema import types
from users import services


class Query(graphene.ObjectType):
    """What can be asked. Every field needs an access token in the Authorization header."""

    me = graphene.Field(types.User, description="Your own profile, with full phone numbers.")
    user = graphene.Field(
        types.User,
        description="Anybody's profile. Every phone number is masked unless it is your own.",
        id=graphene.ID(required=True, description="The user's id, a UUID."),
    )
    export = graphene.Field(
        types.JSON,
        description="Everything we keep about you, made whole in memory; `GET /api/users/me/export/` streams it.",
    )

    @staticmethod
    def resolve_me(root, info) -> types.Caller:
        return types.Caller(info.context)

    @staticmethod
    def resolve_user(root, info, id: str) -> types.Somebody:
        viewer = info.context.user
        return types.Somebody(viewer, services.user_profile(viewer=viewer, user_id=id))

    @staticmethod
    def resolve_export(root, info) -> dict[str, object]:
        return json.loads("".join(services.export_of(user=info.context.user)))
