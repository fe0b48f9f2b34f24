-- What the database itself holds to, whoever writes. Each function keeps the search path of its making, because
-- pg_restore runs it with an empty one.

-- An invite code never changes, and an activation is for ever.
CREATE FUNCTION users_refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION '% never changes', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER user_invite_code_never_changes BEFORE UPDATE ON users_user
    FOR EACH ROW WHEN (OLD.invite_code IS DISTINCT FROM NEW.invite_code)
    EXECUTE FUNCTION users_refuse_change('an invite code');

CREATE TRIGGER user_stays_a_test_or_real BEFORE UPDATE ON users_user
    FOR EACH ROW WHEN (OLD.is_test IS DISTINCT FROM NEW.is_test)
    EXECUTE FUNCTION users_refuse_change('who is a test');

CREATE TRIGGER activation_never_changes BEFORE UPDATE ON users_activation
    FOR EACH ROW WHEN (OLD.inviter_id IS DISTINCT FROM NEW.inviter_id
        OR (OLD.invitee_id IS DISTINCT FROM NEW.invitee_id AND NEW.invitee_id IS NOT NULL))
    EXECUTE FUNCTION users_refuse_change('an activation');

-- Nobody enters a code after they have left, nor that of somebody who has; nor do test people and real people enter each
-- other's. (What pg_restore copies was right once.) The
-- lock makes whoever is about to leave wait, or makes this wait for them.
CREATE FUNCTION users_refuse_absent() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM users_user WHERE id IN (NEW.invitee_id, NEW.inviter_id) ORDER BY id FOR KEY SHARE;
    IF EXISTS (SELECT FROM users_user WHERE id IN (NEW.invitee_id, NEW.inviter_id) AND phone IS NULL) THEN
        RAISE EXCEPTION 'somebody has left' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (SELECT count(DISTINCT is_test) FROM users_user WHERE id IN (NEW.invitee_id, NEW.inviter_id)) > 1 THEN
        RAISE EXCEPTION 'one of them is a test' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER activation_is_between_people BEFORE INSERT ON users_activation
    FOR EACH ROW WHEN (current_query() NOT ILIKE 'COPY %') EXECUTE FUNCTION users_refuse_absent();

-- How many came by somebody's code, on the inviter.
CREATE FUNCTION users_count_referrals() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE users_user SET referrals_count = referrals_count + 1 WHERE id = NEW.inviter_id;
    ELSE
        UPDATE users_user SET referrals_count = referrals_count - 1 WHERE id = OLD.inviter_id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER activation_is_counted AFTER INSERT OR DELETE ON users_activation
    FOR EACH ROW WHEN (current_query() NOT ILIKE 'COPY %') EXECUTE FUNCTION users_count_referrals();

-- pg_restore copies activations to inviters whose count has come with them: counted anew, not once more.
CREATE FUNCTION users_recount_referrals() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE users_user
        SET referrals_count = (SELECT count(*) FROM users_activation WHERE inviter_id = users_user.id)
        WHERE id IN (SELECT inviter_id FROM copied);
    RETURN NULL;
END $$;

CREATE TRIGGER activations_are_recounted AFTER INSERT ON users_activation
    REFERENCING NEW TABLE AS copied
    FOR EACH STATEMENT WHEN (current_query() ILIKE 'COPY %') EXECUTE FUNCTION users_recount_referrals();

-- The number of who came, on the activation. KEY SHARE makes a simultaneous change of the number wait, and this wait
-- for it: neither can miss the other.
CREATE FUNCTION users_copy_phone() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.invitee_phone := (SELECT phone FROM users_user WHERE id = NEW.invitee_id FOR KEY SHARE);
    RETURN NEW;
END $$;

CREATE TRIGGER activation_has_phone BEFORE INSERT OR UPDATE OF invitee_id, invitee_phone ON users_activation
    FOR EACH ROW EXECUTE FUNCTION users_copy_phone();

CREATE FUNCTION users_pass_phone_on() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE users_activation SET invitee_phone = NEW.phone WHERE invitee_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER user_changes_phone AFTER UPDATE OF phone ON users_user
    FOR EACH ROW WHEN (OLD.phone IS DISTINCT FROM NEW.phone) EXECUTE FUNCTION users_pass_phone_on();

-- The places of events in the feed, see users/events/feed.py.
CREATE SEQUENCE users_event_place_seq OWNED BY users_event.place;

-- A demo's messages may be gone after a crash, and so they need no write-ahead log.
ALTER TABLE users_message SET UNLOGGED;
-- But not its sequence, which PostgreSQL 15 and newer take along: on a standby that takes over before its first
-- checkpoint it would be unreadable, and no message could be kept.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 150000 THEN
        ALTER SEQUENCE users_message_id_seq SET LOGGED;
    END IF;
END $$;
