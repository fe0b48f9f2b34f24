"""When somebody's number changes or goes, the row of who invited them gets a new version, as it does when somebody
comes: so the version of a user's row says whether a replica shows their profile as it is now.

Numbers change one after the other, or two who invited each other and leave at once would wait for each other's rows.
"""

from django.db import migrations

FORWARDS = """
CREATE OR REPLACE FUNCTION users_pass_phone_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH changed AS (
        UPDATE users_activation SET invitee_phone = NEW.phone WHERE invitee_id = NEW.id RETURNING inviter_id
    )
    UPDATE users_user SET referrals_count = referrals_count FROM changed WHERE id = changed.inviter_id;
    RETURN NULL;
END $$;

CREATE FUNCTION users_take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(TG_ARGV[0], 0));
    RETURN NULL;
END $$;
CREATE TRIGGER numbers_change_in_turn BEFORE UPDATE OF phone ON users_user
    FOR EACH STATEMENT EXECUTE FUNCTION users_take_turns('numbers');
"""
BACKWARDS = """
DROP TRIGGER numbers_change_in_turn ON users_user; DROP FUNCTION users_take_turns();

CREATE OR REPLACE FUNCTION users_pass_phone_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users_activation SET invitee_phone = NEW.phone WHERE invitee_id = NEW.id;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("users", "0007_fewer_indexes")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
