"""An invite code never changes, and an activation is for ever: the database itself refuses the change."""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION users_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% never changes', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER user_invite_code_never_changes BEFORE UPDATE ON users_user
    FOR EACH ROW WHEN (OLD.invite_code IS DISTINCT FROM NEW.invite_code)
    EXECUTE FUNCTION users_refuse_change('an invite code');

CREATE TRIGGER activation_never_changes BEFORE UPDATE ON users_activation
    FOR EACH ROW WHEN (OLD.inviter_id IS DISTINCT FROM NEW.inviter_id
        OR (OLD.invitee_id IS DISTINCT FROM NEW.invitee_id AND NEW.invitee_id IS NOT NULL))
    EXECUTE FUNCTION users_refuse_change('an activation');
"""
BACKWARDS = """
DROP TRIGGER activation_never_changes ON users_activation;
DROP TRIGGER user_invite_code_never_changes ON users_user;
DROP FUNCTION users_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
