"""What concerns several lines, or those who are here already: asked in a few statements for all lines at once.

The lines stand in `incoming`, a table that ends with the transaction; `reason` is why one is refused.
"""

from typing import Any

from users import codes

REASONS = {
    "columns": "it has more or fewer columns than the first line",
    "encoding": "it is not UTF-8",
    "quotes": "its quotation marks do not match, or it is far too long",
    "phone": "its phone number is none that could get a code",
    "code": "its invite code is not 6 of 23456789ABCDEFGHJKMNPQRSTUVWXYZ",
    "inviter": "the inviter's code is not 6 of 23456789ABCDEFGHJKMNPQRSTUVWXYZ",
    "time": "created_at is no time of the past, such as 2026-01-31T12:00:00Z",
    "phone_twice": "its phone number stands in an earlier line",
    "code_twice": "its invite code stands in an earlier line",
    "other_code": "this number is here already, with another invite code",
    "other_inviter": "this number is here already, and did not come by that inviter's code",
    "code_taken": "its invite code is somebody else's here",
    "own_code": "nobody invites themselves",
    "no_inviter": "nobody has the inviter's code, here or in the file",
    "came_before": "this number has entered a code before its owner left, and that is once for ever",
    "test_number": "this number is here as a test, and stays one",
    "behind": "the line of the inviter, or of theirs, is refused",
    "circle": "its inviters go in a circle",
}

INCOMING = """CREATE TEMPORARY TABLE incoming (
    line bigint, phone text, phone_key text, invite_code text, is_drawn boolean, inviter_code text,
    created_at timestamptz, reason text, id uuid DEFAULT gen_random_uuid(), is_known boolean DEFAULT false
)"""
COPY = """COPY incoming (line, phone, phone_key, invite_code, is_drawn, inviter_code, created_at, reason) FROM STDIN"""
INDEXES = (
    "CREATE INDEX ON incoming (line)",
    "CREATE INDEX ON incoming (inviter_code) WHERE reason IS NULL",
    "ANALYZE incoming",
)


def _refuse(reason: str, condition: str) -> str:
    return f"UPDATE incoming SET reason = '{reason}' WHERE reason IS NULL AND {condition}"


def _stands_earlier(column: str, among: str = "true") -> str:
    return f"""line IN (SELECT line FROM (
        SELECT line, row_number() OVER (PARTITION BY {column} ORDER BY line) AS nth
        FROM incoming WHERE reason IS NULL AND {among}) AS numbered WHERE nth > 1)"""


_HERE = "SELECT FROM users_user AS here WHERE here"
CHECKS = (
    f"UPDATE incoming SET reason = NULL WHERE reason = 'phone' AND EXISTS ({_HERE}.phone = incoming.phone)",
    _refuse("phone_twice", _stands_earlier("phone")),
    _refuse("code_twice", _stands_earlier("invite_code", among="NOT is_drawn")),
    _refuse(
        "other_code",
        f"NOT is_drawn AND EXISTS ({_HERE}.phone = incoming.phone AND here.invite_code <> incoming.invite_code)",
    ),
    _refuse("test_number", f"EXISTS ({_HERE}.phone = incoming.phone AND here.is_test)"),
    f"UPDATE incoming SET is_known = true WHERE reason IS NULL AND EXISTS ({_HERE}.phone = incoming.phone)",
    _refuse(
        "other_inviter",
        """is_known AND inviter_code IS NOT NULL AND NOT EXISTS (
            SELECT FROM users_user AS here JOIN users_activation AS came ON came.invitee_id = here.id
            JOIN users_user AS host ON host.id = came.inviter_id
            WHERE here.phone = incoming.phone AND host.invite_code = incoming.inviter_code)""",
    ),
    _refuse("code_taken", f"NOT is_known AND NOT is_drawn AND EXISTS ({_HERE}.invite_code = incoming.invite_code)"),
    _refuse("own_code", "NOT is_known AND inviter_code = invite_code"),
    _refuse(
        "no_inviter",
        f"""NOT is_known AND inviter_code IS NOT NULL
            AND NOT EXISTS (
                {_HERE}.invite_code = incoming.inviter_code AND here.phone IS NOT NULL AND NOT here.is_test)
            AND NOT EXISTS (
                SELECT FROM incoming AS host WHERE host.invite_code = incoming.inviter_code AND NOT host.is_drawn)""",
    ),
    _refuse(
        "came_before",
        """NOT is_known AND inviter_code IS NOT NULL AND EXISTS (
            SELECT FROM users_invitednumber AS gone WHERE gone.phone_key = incoming.phone_key)""",
    ),
)
# From those whose inviter is here, or who have none, down to those they invited, and so on: what is not reached hangs
# behind a line that is refused, or in a circle.
_REACHED = """WITH RECURSIVE reached AS (
        SELECT line, invite_code FROM incoming AS root WHERE {begins}
        UNION
        SELECT next.line, next.invite_code FROM reached
        JOIN incoming AS next ON next.inviter_code = reached.invite_code AND next.reason IS NULL AND NOT next.is_known
    )"""
_FROM_ROOTS = _REACHED.format(
    begins="""reason IS NULL AND (is_known OR inviter_code IS NULL
        OR EXISTS (SELECT FROM users_user AS here
            WHERE here.invite_code = inviter_code AND here.phone IS NOT NULL AND NOT here.is_test))"""
)
_FROM_REFUSED = _REACHED.format(
    begins="""reason IS NOT NULL AND NOT EXISTS (
        SELECT FROM incoming AS taken WHERE taken.reason IS NULL AND taken.invite_code = root.invite_code)"""
)
_UNREACHED = """NOT EXISTS (SELECT FROM reached WHERE reached.line = incoming.line)
    AND reason IS NULL AND NOT is_known"""
CHAINS = (
    f"{_FROM_REFUSED}, lost AS (SELECT line FROM reached) UPDATE incoming SET reason = 'behind'"
    " WHERE reason IS NULL AND NOT is_known AND line IN (SELECT line FROM lost)",
    f"{_FROM_ROOTS} UPDATE incoming SET reason = 'circle' WHERE {_UNREACHED}",
)
NEW = "reason IS NULL AND NOT is_known"


def redraw(cursor: Any) -> None:
    """Draw again the codes of ours that somebody has."""
    while True:
        cursor.execute(
            f"""SELECT line FROM incoming WHERE is_drawn AND {NEW} AND (
                EXISTS ({_HERE}.invite_code = incoming.invite_code) OR {_stands_earlier("invite_code")}
                OR invite_code IN (SELECT invite_code FROM incoming WHERE NOT is_drawn))"""
        )
        taken = cursor.fetchall()
        if not taken:
            return
        drawn = [(codes.new_invite_code(), line) for (line,) in taken]
        cursor.executemany("UPDATE incoming SET invite_code = %s WHERE line = %s", drawn)
