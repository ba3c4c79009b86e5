"""Resolving holds, and ending calls to language models, in one statement."""

from alembic import op

revision = "0003"
down_revision = "0002"

# The other half of `ledger_hold`: the caller holds the job's row. `p_captured` is what is kept, the rest goes back.
# Answers what was kept, NULL if the hold was resolved before: then nothing has changed.
LEDGER_RESOLVE = """
CREATE FUNCTION ledger_resolve(p_hold uuid, p_state text, p_captured numeric)
RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    v_hold holds%ROWTYPE;
    v_rest numeric;
    v_amount numeric;
    v_balance numeric;
    v_version bigint;
BEGIN
    UPDATE holds SET state = p_state, captured = least(round(p_captured, 9), amount), resolved_at = now()
     WHERE id = p_hold AND state = 'open'
    RETURNING * INTO v_hold;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    -- A visible hold was debited when it was made and gives back its rest; a deferred one is debited now.
    v_rest := v_hold.amount - v_hold.captured;
    v_amount := CASE v_hold.kind WHEN 'visible' THEN v_rest ELSE -v_hold.captured END;
    IF v_rest <> 0 OR v_amount <> 0 THEN
        UPDATE balances
           SET available = available + v_rest, balance = balance + v_amount,
               version = version + CASE WHEN v_amount <> 0 THEN 1 ELSE 0 END
         WHERE account_id = v_hold.account_id
        RETURNING balance, version INTO v_balance, v_version;
    END IF;
    IF v_amount <> 0 THEN
        INSERT INTO ledger_entries
               (account_id, version, kind, amount, balance_after, hold_id, job_id, service, description)
        VALUES (v_hold.account_id, v_version, CASE WHEN v_amount > 0 THEN 'refund' ELSE 'debit' END, v_amount,
                v_balance, v_hold.id, v_hold.job_id, v_hold.service,
                CASE WHEN v_amount > 0 THEN 'Refund: ' ELSE '' END || v_hold.service);
    END IF;
    IF v_rest <> 0 THEN
        UPDATE key_budgets SET spent = spent - v_rest WHERE key_id = v_hold.key_id;
    END IF;
    RETURN v_hold.captured;
END $$
"""

# Calls whose answer is whole: each is charged, ended and its answer kept for a replay, or nothing of it is done where
# its lease was lost. All jobs are locked first, then balances in the order of their ids: two batches, or a batch and
# a worker, cannot wait for each other.
END_CALLS = """
CREATE FUNCTION end_calls(p_batch jsonb)
RETURNS TABLE (r_position int, r_credits numeric) LANGUAGE plpgsql AS $$
DECLARE
    item record;
    v_hold uuid;
BEGIN
    PERFORM 1 FROM jobs WHERE id IN (SELECT (e ->> 'job_id')::uuid FROM jsonb_array_elements(p_batch) e)
      ORDER BY id FOR NO KEY UPDATE;
    FOR item IN
        SELECT * FROM jsonb_to_recordset(p_batch) AS t(
            position int, account_id uuid, job_id uuid, fence bigint, attempt_id uuid, credits numeric, task_id text,
            cost numeric, output jsonb, idem_route text, idem_key text, response jsonb, kept_s float8)
        ORDER BY account_id, position
    LOOP
        r_position := item.position;
        r_credits := NULL;
        SELECT h.id INTO v_hold FROM jobs j JOIN holds h ON h.job_id = j.id AND h.state = 'open'
         WHERE j.id = item.job_id AND j.fence = item.fence AND j.state = 'submitting';
        IF FOUND THEN
            r_credits := ledger_resolve(v_hold, 'captured', item.credits);
            UPDATE jobs SET state = 'succeeded', ended_at = now(), credits_used = r_credits, progress = 100
             WHERE id = item.job_id;
            INSERT INTO job_events (job_id, source, target)
            VALUES (item.job_id, 'submitting', 'storing'), (item.job_id, 'storing', 'succeeded');
            UPDATE job_attempts
               SET outcome = 'done', answered_at = now(), task_id = coalesce(item.task_id, task_id), cost = item.cost,
                   output = item.output
             WHERE id = item.attempt_id;
            IF item.idem_key IS NOT NULL THEN
                UPDATE idempotency_keys
                   SET response = item.response, expires_at = now() + make_interval(secs => item.kept_s)
                 WHERE account_id = item.account_id AND route = item.idem_route AND key = item.idem_key
                   AND job_id = item.job_id;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(LEDGER_RESOLVE)
    op.execute(END_CALLS)


def downgrade() -> None:
    op.execute("DROP FUNCTION end_calls")
    op.execute("DROP FUNCTION ledger_resolve")
