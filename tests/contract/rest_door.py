"""REST, in the words of the contract suite."""

import json

from django.test import Client

from tests.contract.doors import Answer, headers, new_browser, renamed

ANSWER_NAMES = {
    "phone_number": "phone",
    "refs": "referrals",
    "refs_count": "referrals_count",
    "refs_next": "referrals_next",
    "you_invited_by": "invited_by",
}
FIELD_NAMES = {"otp": "code", "phone_number": "phone", "activated_invite_code": "invite_code"}


class RESTDoor:
    name = "rest"
    has_tokens = True

    def __init__(self, client: Client | None = None):
        self.client = client or new_browser()
        self.token: str | None = None

    def request_code(self, phone, challenge=None) -> Answer:
        return self._post("send_otp/", phone_number=phone, challenge=challenge)

    def verify_code(self, code, challenge=None, phone=None, start_afresh=None) -> Answer:
        answer = self._post("auth/", otp=code, challenge=challenge, phone_number=phone, start_afresh=start_afresh)
        self.token = answer.said.get("token", self.token)
        return answer

    def me(self) -> Answer:
        return self._get("me/")

    def user(self, user_id) -> Answer:
        return self._get(f"{user_id}/")

    def referrals(self, cursor=None) -> Answer:
        answer = self._get("me/refs/", cursor=cursor or "")
        if answer.code:
            return answer
        items = [(row["phone_number"], row["activated_at"]) for row in answer["results"]]
        return Answer(said={"items": items, "next": answer["next"] and answer["next"].partition("cursor=")[2]})

    def activate_invite(self, invite_code) -> Answer:
        return self._post("referal/", activated_invite_code=invite_code)

    def refresh(self, refresh_token) -> Answer:
        return self._post("token/refresh/", refresh_token=refresh_token)

    def logout(self, *, everywhere=False) -> Answer:
        return self._post("logout/", everywhere=everywhere)

    def sessions(self) -> Answer:
        answer = self._get("me/sessions/")
        return answer if answer.code else Answer(said={"items": answer["results"]})

    def end_session(self, session_id) -> Answer:
        url = f"/api/users/me/sessions/{session_id}/"
        return _answer(self.client.delete(url, headers=headers(self.token)))

    def request_code_for_change(self, phone) -> Answer:
        return self.request_code(phone)

    def change_phone(self, code) -> Answer:
        url = "/api/users/me/phone/"
        return _answer(self.client.put(url, {"otp": code}, "application/json", headers=headers(self.token)))

    def delete_account(self, code, challenge=None) -> Answer:
        return self._post("me/delete/", otp=code, challenge=challenge)

    def export(self) -> Answer:
        return self._get("me/export/")

    def _post(self, call, **body) -> Answer:
        given = {name: value for name, value in body.items() if value is not None}
        url = f"/api/users/{call}"
        return _answer(self.client.post(url, given, "application/json", headers=headers(self.token)))

    def _get(self, call, **query) -> Answer:
        return _answer(self.client.get(f"/api/users/{call}", query, headers=headers(self.token)))


def _answer(response) -> Answer:
    body = json.loads(response.getvalue() or "{}")
    if response.status_code < 400:
        return Answer(said=renamed(body, ANSWER_NAMES))
    del body["detail"]
    if "fields" in body:
        body["fields"] = sorted(renamed(body["fields"], FIELD_NAMES))
    return Answer(body.pop("code"), response.status_code, body)
