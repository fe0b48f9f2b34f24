"""The lines nobody refused become people and activations, whose triggers could not keep up."""

from users.models import NO_PASSWORD
from users.services.importing.checks import NEW

_TRIGGERS = ("activation_is_counted", "activation_has_phone")
_CAME = f"SELECT inviter_code, count(*) AS people FROM incoming WHERE {NEW} GROUP BY inviter_code"
STEPS = (
    ("writing", "SET CONSTRAINTS ALL IMMEDIATE"),  # each statement is checked at its own end
    (
        "writing people",
        f"""WITH came AS ({_CAME})
        INSERT INTO users_user (id, phone, invite_code, password, is_active, is_staff, is_superuser, created_at,
            referrals_count)
        SELECT id, phone, invite_code, '{NO_PASSWORD}', true, false, false, created_at, coalesce(people, 0)
        FROM incoming LEFT JOIN came ON came.inviter_code = incoming.invite_code WHERE {NEW} ORDER BY id""",
    ),
    # Row by row two triggers would work for hours where somebody invited many: what they would write is written.
    (
        "writing activations",
        "ALTER TABLE users_activation " + ", ".join(f"DISABLE TRIGGER {trigger}" for trigger in _TRIGGERS),
    ),
    (
        "writing activations",
        f"""INSERT INTO users_activation (invitee_id, inviter_id, invitee_phone, created_at)
        SELECT incoming.id, host.id, incoming.phone, incoming.created_at
        FROM incoming JOIN users_user AS host ON host.invite_code = incoming.inviter_code
        WHERE {NEW} ORDER BY incoming.created_at, incoming.line""",
    ),
    (
        "writing activations",
        "ALTER TABLE users_activation " + ", ".join(f"ENABLE TRIGGER {trigger}" for trigger in _TRIGGERS),
    ),
    # Last of all: whose row has been written cannot sign in until the transaction ends.
    (
        "counting for those who are here",
        f"""WITH came AS ({_CAME})
        UPDATE users_user SET referrals_count = referrals_count + came.people
        FROM came WHERE users_user.invite_code = came.inviter_code
            AND NOT EXISTS (SELECT FROM incoming WHERE incoming.id = users_user.id)""",
    ),
)
