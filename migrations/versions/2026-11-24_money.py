"""Creating jobs and holding credits in one statement; entries that nobody can rewrite."""

from alembic import op

revision = "0002"
down_revision = "0001"

# One of the two places in SQL that move credits: `ledger_resolve` is its other half. The caller holds the balance's row.
# Answers 'held', 'insufficient_credits' or 'key_limit'; in the last two nothing has changed.
LEDGER_HOLD = """
CREATE FUNCTION ledger_hold(
    p_account uuid, p_key uuid, p_job uuid, p_hold uuid, p_kind text, p_amount numeric, p_service text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_writes boolean;
    v_balance numeric;
    v_version bigint;
BEGIN
    -- As the columns round, so that what is taken off the balance is what the hold gives back.
    p_amount := round(p_amount, 9);
    v_writes := p_kind = 'visible' AND p_amount > 0;
    UPDATE key_budgets SET spent = spent + p_amount
     WHERE key_id = p_key AND (credit_limit IS NULL OR spent + p_amount <= credit_limit);
    IF NOT FOUND THEN
        RETURN 'key_limit';
    END IF;

    UPDATE balances
       SET available = available - p_amount,
           balance = balance - CASE WHEN v_writes THEN p_amount ELSE 0 END,
           version = version + CASE WHEN v_writes THEN 1 ELSE 0 END
     WHERE account_id = p_account AND available >= p_amount
    RETURNING balance, version INTO v_balance, v_version;
    IF NOT FOUND THEN
        UPDATE key_budgets SET spent = spent - p_amount WHERE key_id = p_key;
        RETURN 'insufficient_credits';
    END IF;

    INSERT INTO holds (id, account_id, key_id, job_id, service, kind, amount)
    VALUES (p_hold, p_account, p_key, p_job, p_service, p_kind, p_amount);
    IF v_writes THEN
        INSERT INTO ledger_entries
               (account_id, version, kind, amount, balance_after, hold_id, job_id, service, description)
        VALUES (p_account, v_version, 'debit', -p_amount, v_balance, p_hold, p_job, p_service, p_service);
    END IF;
    RETURN 'held';
END $$
"""

# Idempotency key, key's cap, hold, entry and job for each item of the batch, each all or nothing, one commit for all.
# Balances are locked in the order of their ids, so two batches cannot wait for each other. Everything that belongs to
# one account (its keys' budgets, its idempotency keys) is touched under that lock alone.
CREATE_JOBS = """
CREATE FUNCTION create_jobs(p_batch jsonb)
RETURNS TABLE (r_position int, r_outcome text, r_job_id uuid, r_created_at timestamptz, r_response jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    item record;
    known idempotency_keys%ROWTYPE;
    v_locked uuid;
BEGIN
    FOR item IN
        SELECT * FROM jsonb_to_recordset(p_batch) AS t(
            position int, account_id uuid, key_id uuid, job_id uuid, hold_id uuid, hold_kind text, credits numeric,
            service text, lane text, state text, request jsonb, inputs jsonb, message text, rates_version bigint,
            listed_cost numeric, prepared boolean, deadline_s float8, lease_s float8, attempt_id uuid, provider_key text,
            idem_route text, idem_key text, body_hash text)
        ORDER BY account_id, position
    LOOP
        r_position := item.position;
        r_job_id := item.job_id;
        r_created_at := now();
        r_response := NULL;
        IF v_locked IS DISTINCT FROM item.account_id THEN
            PERFORM 1 FROM balances WHERE account_id = item.account_id FOR NO KEY UPDATE;
            v_locked := item.account_id;
        END IF;

        IF item.idem_key IS NOT NULL THEN
            SELECT * INTO known FROM idempotency_keys k
             WHERE k.account_id = item.account_id AND k.route = item.idem_route AND k.key = item.idem_key
               AND k.expires_at > now();
            IF FOUND THEN
                r_job_id := known.job_id;
                r_response := known.response;
                r_outcome := CASE WHEN known.body_hash = decode(item.body_hash, 'hex')
                                  THEN 'replayed' ELSE 'key_reused' END;
                RETURN NEXT;
                CONTINUE;
            END IF;
        END IF;

        r_outcome := ledger_hold(item.account_id, item.key_id, item.job_id, item.hold_id, item.hold_kind, item.credits,
                                 item.service);
        IF r_outcome <> 'held' THEN
            RETURN NEXT;
            CONTINUE;
        END IF;

        INSERT INTO jobs (id, account_id, key_id, service, lane, state, request, inputs, message, credits,
                          rates_version, listed_cost, credits_used, prepared, deadline_at, lease_until, next_step_at, fence)
        VALUES (item.job_id, item.account_id, item.key_id, item.service, item.lane, item.state, item.request,
                item.inputs, item.message, item.credits, item.rates_version, item.listed_cost,
                CASE WHEN item.hold_kind = 'visible' THEN item.credits ELSE 0 END, item.prepared,
                now() + make_interval(secs => item.deadline_s),
                CASE WHEN item.lease_s > 0 THEN now() + make_interval(secs => item.lease_s) ELSE '-infinity' END,
                now() + make_interval(secs => item.lease_s),
                CASE WHEN item.lease_s > 0 THEN 1 ELSE 0 END);
        IF item.attempt_id IS NOT NULL THEN
            INSERT INTO job_attempts (id, job_id, number, provider, provider_key)
            VALUES (item.attempt_id, item.job_id, 1, item.lane, item.provider_key);
        END IF;
        IF item.idem_key IS NOT NULL THEN
            INSERT INTO idempotency_keys (account_id, route, key, body_hash, job_id, expires_at)
            VALUES (item.account_id, item.idem_route, item.idem_key, decode(item.body_hash, 'hex'), item.job_id,
                    now() + interval '7 days')
            ON CONFLICT (account_id, route, key) DO UPDATE
               SET body_hash = EXCLUDED.body_hash, job_id = EXCLUDED.job_id, response = NULL, created_at = now(),
                   expires_at = EXCLUDED.expires_at;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$
"""

REFUSE_REWRITE = """
CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""

APPEND_ONLY = ("ledger_entries", "admin_acts", "rate_changes", "job_events")


def upgrade() -> None:
    # A migration that waits for a lock stops everybody behind it: give up soon, and run it again.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(LEDGER_HOLD)
    op.execute(CREATE_JOBS)
    op.execute(REFUSE_REWRITE)
    for table in APPEND_ONLY:
        op.execute(f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                   "EXECUTE FUNCTION refuse_rewrite()")


def downgrade() -> None:
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.execute("DROP FUNCTION refuse_rewrite")
    op.execute("DROP FUNCTION create_jobs")
    op.execute("DROP FUNCTION ledger_hold")
