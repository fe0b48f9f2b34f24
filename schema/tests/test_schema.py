from pathlib import Path

from graphql import GraphQLInputObjectType, GraphQLObjectType, print_schema

from schema.documents import schema

OURS = [type_ for name, type_ in schema.graphql_schema.type_map.items() if not name.startswith("__")]


def test_the_committed_schema_is_the_real_one():
    """`python manage.py graphql_schema` writes it anew."""
    assert (Path(__file__).parents[1] / "schema.graphql").read_text() == print_schema(schema.graphql_schema)


def test_every_type_field_and_argument_is_described():
    undescribed = [type_.name for type_ in OURS if not type_.description]
    for type_ in OURS:
        if isinstance(type_, (GraphQLObjectType, GraphQLInputObjectType)):
            for name, field in type_.fields.items():
                described = {f"{type_.name}.{name}": field, **getattr(field, "args", {})}
                undescribed += [f"{type_.name}.{name}: {what}" for what, it in described.items() if not it.description]
    assert undescribed == []
    assert len(OURS) > 10


def test_the_schema_is_the_one_that_was_promised():
    fields = {
        name: [f"{field}: {it.type}" for field, it in schema.graphql_schema.type_map[name].fields.items()]
        for name in ("Query", "User", "Mutation")
    }
    assert fields == {
        "Query": ["me: User", "user: User", "export: JSON"],
        "User": [
            "id: ID!",
            "phoneNumber: String!",
            "inviteCode: String!",
            "activatedInviteCode: String",
            "referrals: [String!]!",
            "referralsCount: Int!",
            "inviteOpened: Int!",
            "referralConnection: ReferralConnection!",
            "sessions: SessionConnection",
        ],
        "Mutation": [
            "requestCode: RequestCode",
            "verifyCode: VerifyCode",
            "activateInvite: ActivateInvite",
            "refreshToken: RefreshToken",
            "logout: Logout",
            "endSession: EndSession",
            "changePhone: ChangePhone",
            "deleteAccount: DeleteAccount",
        ],
    }
