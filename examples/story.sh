#!/bin/sh
# The whole way in curl, against a demo: sh examples/story.sh [http://127.0.0.1:8000]
#
# Alice signs in, Bob signs in and enters her code, she sees him come; then tokens are refreshed and she leaves. Codes
# and tokens go from each answer into the next command by themselves. The numbers are new each time, so it can be run again.
set -eu
ZOVI=${1:-http://127.0.0.1:8000}

# Print a command as it is written, run it, print the answer and keep it; a refusal ends the story.
tell() {
    command=$(cat)
    printf '$ %s\n' "$command"
    ANSWER=$(eval "$command -sS -w '\n%{http_code}'")
    status=${ANSWER##*"$NEWLINE"}
    ANSWER=${ANSWER%"$NEWLINE"*}
    case $status in
        204) printf '(204: done, nothing to say)\n\n' ;;
        2*) printf '%s\n\n' "$ANSWER" ;;
        *) printf 'Refused with %s: %s\n' "$status" "$ANSWER" >&2; exit 1 ;;
    esac
}

# The text that the last answer gives for a field.
field() {
    value=$(printf '%s' "$ANSWER" | sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p')
    test "$value" || { echo "No $1 in that answer: this story needs a demo, which shows the codes" >&2; exit 1; }
    printf '%s' "$value"
}

# A Russian mobile number that hardly anybody has had here before.
number() {
    od -An -N4 -tu4 /dev/urandom | tr -d ' \n' | sed 's/^/00000000/; s/.*\(.\)\(...\)\(..\)\(..\)$/8 91\1 \2-\3-\4/'
}

NEWLINE='
'
JSON='Content-Type: application/json'
ALICE=$(number)
BOB=$(number)
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
cd "$FOLDER"

echo "# Alice asks for a code. The answer sets a cookie, so that the code alone is enough afterwards"
tell <<'CURL'
curl -c alice.jar $ZOVI/api/users/send_otp/ -d phone_number="$ALICE"
CURL
OTP=$(field otp)
tell <<'CURL'
curl -b alice.jar $ZOVI/api/users/auth/ -d otp=$OTP
CURL
ALICE_TOKEN=$(field token)
ALICE_REFRESH=$(field refresh_token)
tell <<'CURL'
curl $ZOVI/api/users/me/ -H "Authorization: Bearer $ALICE_TOKEN"
CURL
INVITE=$(field invite_code)

echo "# Bob keeps no cookies: he sends the challenge along, in JSON this time"
tell <<'CURL'
curl $ZOVI/api/users/send_otp/ -H "$JSON" -d '{"phone_number": "'"$BOB"'"}'
CURL
OTP=$(field otp)
CHALLENGE=$(field challenge)
tell <<'CURL'
curl $ZOVI/api/users/auth/ -H "$JSON" -d '{"otp": "'$OTP'", "challenge": "'$CHALLENGE'"}'
CURL
BOB_TOKEN=$(field token)

echo "# He enters Alice's code, and she sees who came"
tell <<'CURL'
curl $ZOVI/api/users/referal/ -H "Authorization: Bearer $BOB_TOKEN" -d activated_invite_code=$INVITE
CURL
tell <<'CURL'
curl $ZOVI/api/users/me/ -H "Authorization: Bearer $ALICE_TOKEN"
CURL

echo "# A quarter of an hour later her token is old: the refresh token gives two new ones. Then she signs out"
tell <<'CURL'
curl $ZOVI/api/users/token/refresh/ -d refresh_token=$ALICE_REFRESH
CURL
ALICE_TOKEN=$(field token)
tell <<'CURL'
curl -X POST $ZOVI/api/users/logout/ -H "Authorization: Bearer $ALICE_TOKEN"
CURL
