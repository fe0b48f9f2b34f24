"""What a profile shows of referrals, kept by the database: their count on the inviter, their number on the activation.

The triggers, unlike code, also hold for whoever writes to the tables by hand.
"""

from django.db import migrations, models

COUNT = """
CREATE FUNCTION users_count_referrals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE users_user SET referrals_count = referrals_count + 1 WHERE id = NEW.inviter_id;
    ELSE
        UPDATE users_user SET referrals_count = referrals_count - 1 WHERE id = OLD.inviter_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER activation_is_counted AFTER INSERT OR DELETE ON users_activation
    FOR EACH ROW EXECUTE FUNCTION users_count_referrals();
UPDATE users_user SET referrals_count = counted.referrals
    FROM (SELECT inviter_id, count(*) AS referrals FROM users_activation GROUP BY inviter_id) AS counted
    WHERE id = counted.inviter_id;
"""
NO_COUNT = "DROP TRIGGER activation_is_counted ON users_activation; DROP FUNCTION users_count_referrals();"

# KEY SHARE makes a simultaneous change of the number wait, and this wait for it: neither can miss the other.
PHONE = """
CREATE FUNCTION users_copy_phone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.invitee_phone := (SELECT phone FROM users_user WHERE id = NEW.invitee_id FOR KEY SHARE);
    RETURN NEW;
END $$;
CREATE TRIGGER activation_has_phone BEFORE INSERT OR UPDATE OF invitee_id, invitee_phone ON users_activation
    FOR EACH ROW EXECUTE FUNCTION users_copy_phone();
CREATE FUNCTION users_pass_phone_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users_activation SET invitee_phone = NEW.phone WHERE invitee_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER user_changes_phone AFTER UPDATE OF phone ON users_user
    FOR EACH ROW WHEN (OLD.phone IS DISTINCT FROM NEW.phone) EXECUTE FUNCTION users_pass_phone_on();
UPDATE users_activation SET invitee_phone = NULL;
"""
NO_PHONE = """
DROP TRIGGER user_changes_phone ON users_user; DROP FUNCTION users_pass_phone_on();
DROP TRIGGER activation_has_phone ON users_activation; DROP FUNCTION users_copy_phone();
"""


class Migration(migrations.Migration):
    dependencies = [("users", "0003_limits_and_leaving")]

    operations = [
        migrations.AddField(
            "user",
            "referrals_count",
            models.PositiveIntegerField(db_default=0, editable=False, verbose_name="people who came"),
        ),
        migrations.AddField(
            "activation",
            "invitee_phone",
            models.CharField(editable=False, max_length=16, null=True, verbose_name="number of who came"),
        ),
        migrations.RunSQL(COUNT, NO_COUNT),
        migrations.RunSQL(PHONE, NO_PHONE),
        # The rows written above owe their foreign keys a check, and the table must not change before it.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL IMMEDIATE"),
        migrations.RemoveIndex("activation", "activation_newest_first"),
        migrations.AddIndex(
            "activation",
            models.Index(
                fields=["inviter", "-id"], include=["invitee_phone", "created_at"], name="activation_newest_first"
            ),
        ),
    ]
