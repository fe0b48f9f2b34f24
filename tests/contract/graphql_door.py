"""GraphQL, in the words of the contract suite."""

from django.test import Client

from tests.contract.doors import Answer, headers, new_browser, renamed

NAMES = {
    "phoneNumber": "phone",
    "phone_number": "phone",  # in an export
    "inviteCode": "invite_code",
    "activatedInviteCode": "activated_invite_code",
    "referralsCount": "referrals_count",
    "inviteOpened": "invite_opened",
    "refreshToken": "refresh_token",
    "tokenType": "token_type",
    "expiresIn": "expires_in",
    "resendIn": "resend_in",
    "isNewUser": "is_new_user",
    "invitedBy": "invited_by",
    "retryAfter": "retry_after",
    "attemptsLeft": "attempts_left",
    "after": "cursor",
    "signedInAt": "signed_in_at",
    "lastSeenAt": "last_seen_at",
}
TOKENS = "token refreshToken tokenType expiresIn"
SESSION = "id browser address signedInAt lastSeenAt current"
USER = "id phoneNumber inviteCode activatedInviteCode referrals referralsCount inviteOpened"


class GraphQLDoor:
    name = "graphql"
    has_tokens = True

    def __init__(self, client: Client | None = None):
        self.client = client or new_browser()
        self.token: str | None = None

    def request_code(self, phone, challenge=None) -> Answer:
        return self._run(
            """mutation($phone: String!, $challenge: String) {
                 requestCode(phoneNumber: $phone, challenge: $challenge) {
                   phoneNumber otp challenge channel expiresIn resendIn } }""",
            phone=phone,
            challenge=challenge,
        )

    def verify_code(self, code, challenge=None, phone=None, start_afresh=None) -> Answer:
        answer = self._run(
            """mutation($code: String!, $challenge: String, $phone: String, $afresh: Boolean) {
                 verifyCode(code: $code, challenge: $challenge, phoneNumber: $phone, startAfresh: $afresh) {
                   token refreshToken tokenType expiresIn isNewUser me { phoneNumber } } }""",
            code=code,
            challenge=challenge,
            phone=phone,
            afresh=start_afresh,
        )
        self.token = answer.said.get("token", self.token)
        return answer

    def me(self) -> Answer:
        return self._run(f"{{ me {{ {USER} }} }}")

    def user(self, user_id) -> Answer:
        return self._run(f"query($id: ID!) {{ user(id: $id) {{ {USER} }} }}", id=user_id)

    def referrals(self, cursor=None) -> Answer:
        answer = self._run(
            """query($after: String) { me { referralConnection(first: 100, after: $after) {
                 edges { node { phoneNumber activatedAt } } pageInfo { hasNextPage endCursor } } } }""",
            after=cursor,
        )
        if answer.code:
            return answer
        page = answer["referralConnection"]
        items = [(edge["node"]["phoneNumber"], edge["node"]["activatedAt"]) for edge in page["edges"]]
        return Answer(said={"items": items, "next": page["pageInfo"]["hasNextPage"] and page["pageInfo"]["endCursor"]})

    def activate_invite(self, invite_code) -> Answer:
        return self._run(
            """mutation($code: String!) {
                 activateInvite(inviteCode: $code) { invitedBy me { phoneNumber activatedInviteCode } } }""",
            code=invite_code,
        )

    def refresh(self, refresh_token) -> Answer:
        return self._run(
            f"mutation($old: String!) {{ refreshToken(refreshToken: $old) {{ {TOKENS} }} }}", old=refresh_token
        )

    def logout(self, *, everywhere=False) -> Answer:
        return self._run("mutation($all: Boolean) { logout(everywhere: $all) { ok } }", all=everywhere)

    def sessions(self) -> Answer:
        answer = self._run(f"{{ me {{ sessions {{ edges {{ node {{ {SESSION} }} }} }} }} }}")
        if answer.code:
            return answer
        nodes = [edge["node"] for edge in answer["sessions"]["edges"]]
        return Answer(said={"items": [renamed(node, NAMES) for node in nodes]})

    def end_session(self, session_id) -> Answer:
        return self._run("mutation($id: ID!) { endSession(id: $id) { ok } }", id=session_id)

    def request_code_for_change(self, phone) -> Answer:
        return self.request_code(phone)

    def change_phone(self, code) -> Answer:
        return self._run(f"mutation($code: String!) {{ changePhone(code: $code) {{ me {{ {USER} }} }} }}", code=code)

    def delete_account(self, code, challenge=None) -> Answer:
        return self._run(
            "mutation($code: String!, $challenge: String) { deleteAccount(code: $code, challenge: $challenge) { ok } }",
            code=code,
            challenge=challenge,
        )

    def export(self) -> Answer:
        return self._run("{ export }")

    def _run(self, query, **variables) -> Answer:
        body = {"query": query, "variables": variables}
        return _answer(self.client.post("/graphql/", body, "application/json", headers=headers(self.token)))


def _answer(response) -> Answer:
    body = response.json()
    if "errors" in body:
        [error] = body["errors"]
        return _refusal(error["extensions"])
    [result] = body["data"].values()
    result |= result.pop("me", {})
    return Answer(said=renamed(result, NAMES))


def _refusal(extensions: dict) -> Answer:
    said = renamed(extensions, NAMES)
    if "fields" in said:
        said["fields"] = sorted(renamed(said["fields"], NAMES))
    return Answer(said.pop("code"), said.pop("status"), said)
