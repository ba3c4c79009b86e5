"""The tables of accounts, ledger, jobs, files and rates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table('accounts',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('email', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('accounts_pkey')),
        sa.UniqueConstraint('email', name=op.f('accounts_email_key'))
        )
    op.create_table('admin_acts',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('act', sa.Text(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('detail', postgresql.JSONB(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('admin_acts_pkey'))
        )
    op.create_table('audit_runs',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('violations', sa.Integer(), nullable=False),
        sa.Column('entries', sa.BigInteger(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('audit_runs_pkey'))
        )
    op.create_table('idempotency_keys',
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('route', sa.Text(), nullable=False),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('body_hash', sa.LargeBinary(), nullable=False),
        sa.Column('job_id', sa.Uuid(), nullable=True),
        sa.Column('response', postgresql.JSONB(), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('account_id', 'route', 'key', name=op.f('idempotency_keys_pkey'))
        )
    op.create_index('idempotency_keys_expires_idx', 'idempotency_keys', ['expires_at'], unique=False)
    op.create_table('lanes',
    sa.Column('lane', sa.Text(), nullable=False),
    sa.Column('query_at', sa.DateTime(timezone=True), server_default=sa.text("'-infinity'::timestamptz"), nullable=False),
    sa.PrimaryKeyConstraint('lane', name=op.f('lanes_pkey'))
    )
    op.create_table('purse_days',
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('provider', sa.Text(), nullable=False),
        sa.Column('fingerprint', sa.Text(), nullable=False),
        sa.Column('lost', sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column('booked', sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column('compared_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.PrimaryKeyConstraint('day', 'provider', 'fingerprint', name=op.f('purse_days_pkey'))
        )
    op.create_table('purse_readings',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('provider', sa.Text(), nullable=False),
        sa.Column('fingerprint', sa.Text(), nullable=False),
        sa.Column('balance', sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column('spent', sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('purse_readings_pkey'))
        )
    op.create_index('purse_readings_purse_idx', 'purse_readings', ['provider', 'fingerprint', 'id'], unique=False)
    op.create_table('rested_keys',
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('fingerprint', sa.Text(), nullable=False),
    sa.Column('rested_until', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('provider', 'fingerprint', name=op.f('rested_keys_pkey'))
    )
    op.create_table('rate_changes',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('service', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('value', sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('rate_changes_pkey'))
        )
    op.create_index('rate_changes_name_idx', 'rate_changes', ['service', 'name', 'id'], unique=False)
    op.create_table('api_keys',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('secret_hash', sa.LargeBinary(), nullable=False),
        sa.Column('hint', sa.Text(), nullable=False),
        sa.Column('scopes', postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column('addresses', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
        sa.Column('rate_per_minute', sa.Integer(), nullable=True),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('api_keys_account_id_fkey')),
        sa.PrimaryKeyConstraint('id', name=op.f('api_keys_pkey')),
        sa.UniqueConstraint('secret_hash', name=op.f('api_keys_secret_hash_key'))
        )
    op.create_index('api_keys_account_idx', 'api_keys', ['account_id', 'id'], unique=False)
    op.create_table('balances',
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('balance', sa.Numeric(precision=20, scale=9), server_default='0', nullable=False),
        sa.Column('available', sa.Numeric(precision=20, scale=9), server_default='0', nullable=False),
        sa.Column('version', sa.BigInteger(), server_default='0', nullable=False),
        sa.CheckConstraint('available <= balance', name=op.f('balances_available_within_balance_check')),
        sa.CheckConstraint('available >= 0', name=op.f('balances_available_not_negative_check')),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('balances_account_id_fkey')),
        sa.PrimaryKeyConstraint('account_id', name=op.f('balances_pkey')),
        postgresql_with={'fillfactor': 50}
        )
    op.create_table('ledger_entries',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('version', sa.BigInteger(), nullable=False),
        sa.Column('kind', sa.Enum('debit', 'refund', 'topup', 'correction', name='entrykind', native_enum=False, length=20), nullable=False),
        sa.Column('amount', sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column('balance_after', sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column('hold_id', sa.Uuid(), nullable=True),
        sa.Column('job_id', sa.Uuid(), nullable=True),
        sa.Column('key', sa.Text(), nullable=True),
        sa.Column('service', sa.Text(), nullable=True),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('ledger_entries_account_id_fkey')),
        sa.PrimaryKeyConstraint('id', name=op.f('ledger_entries_pkey')),
        sa.UniqueConstraint('account_id', 'version', name='ledger_entries_account_version_key'),
        sa.UniqueConstraint('hold_id', 'kind', name='ledger_entries_hold_kind_key'),
        sa.UniqueConstraint('key', name='ledger_entries_key_key')
        )
    op.create_table('turns',
        sa.Column('lane', sa.Text(), nullable=False),
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('served_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('turns_account_id_fkey')),
        sa.PrimaryKeyConstraint('lane', 'account_id', name=op.f('turns_pkey'))
        )
    op.create_table('jobs',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('key_id', sa.Uuid(), nullable=False),
        sa.Column('service', sa.Text(), nullable=False),
        sa.Column('lane', sa.Text(), nullable=False),
        sa.Column('state', sa.Enum('queued', 'submitting', 'running', 'storing', 'unclear', 'succeeded', 'failed', 'cancelled', name='jobstate', native_enum=False, length=20), server_default='queued', nullable=False),
        sa.Column('request', postgresql.JSONB(), nullable=False),
        sa.Column('credits', sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column('rates_version', sa.BigInteger(), nullable=False),
        sa.Column('listed_cost', sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column('credits_used', sa.Numeric(precision=20, scale=9), server_default='0', nullable=False),
        sa.Column('prepared', sa.Boolean(), nullable=False),
        sa.Column('next_step_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('lease_until', sa.DateTime(timezone=True), server_default=sa.text("'-infinity'::timestamptz"), nullable=False),
        sa.Column('fence', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('woken_at', sa.DateTime(timezone=True), server_default=sa.text("'-infinity'::timestamptz"), nullable=False),
        sa.Column('deadline_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('inputs', postgresql.JSONB(), server_default='{}', nullable=False),
        sa.Column('outputs', postgresql.JSONB(), server_default='{}', nullable=False),
        sa.Column('result', postgresql.JSONB(), server_default='{}', nullable=False),
        sa.Column('is_generating', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('progress', sa.SmallInteger(), nullable=True),
        sa.Column('tries', sa.SmallInteger(), server_default='0', nullable=False),
        sa.Column('message', sa.Text(), nullable=True),
        sa.Column('reason', sa.Text(), nullable=True),
        sa.Column('error', sa.Text(), nullable=True),
        sa.Column('is_flagged', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('jobs_account_id_fkey')),
        sa.ForeignKeyConstraint(['key_id'], ['api_keys.id'], name=op.f('jobs_key_id_fkey')),
        sa.PrimaryKeyConstraint('id', name=op.f('jobs_pkey')),
        postgresql_with={'fillfactor': 70}
        )
    op.create_index('jobs_account_idx', 'jobs', ['account_id', 'service', 'id'], unique=False)
    op.create_index('jobs_flagged_idx', 'jobs', ['id'], unique=False, postgresql_where=sa.text('is_flagged'))
    op.create_index('jobs_deadline_idx', 'jobs', ['deadline_at'], unique=False, postgresql_where=sa.text('ended_at IS NULL'))
    op.create_index('jobs_ended_idx', 'jobs', ['ended_at'], unique=False, postgresql_where=sa.text('ended_at IS NOT NULL'))
    op.create_index('jobs_due_idx', 'jobs', ['lane', 'next_step_at'], unique=False, postgresql_where=sa.text("ended_at IS NULL AND NOT (state = 'queued' AND prepared)"))
    op.create_index('jobs_line_idx', 'jobs', ['lane', 'account_id', 'created_at'], unique=False, postgresql_where=sa.text("state = 'queued' AND prepared"))
    op.create_table('key_budgets',
        sa.Column('key_id', sa.Uuid(), nullable=False),
        sa.Column('spent', sa.Numeric(precision=20, scale=9), server_default='0', nullable=False),
        sa.Column('credit_limit', sa.Numeric(precision=20, scale=9), nullable=True),
        sa.CheckConstraint('spent >= 0', name=op.f('key_budgets_spent_not_negative_check')),
        sa.ForeignKeyConstraint(['key_id'], ['api_keys.id'], name=op.f('key_budgets_key_id_fkey')),
        sa.PrimaryKeyConstraint('key_id', name=op.f('key_budgets_pkey')),
        postgresql_with={'fillfactor': 50}
        )
    op.create_table('files',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('token', sa.Text(), nullable=False),
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('job_id', sa.Uuid(), nullable=True),
        sa.Column('role', sa.Enum('upload', 'input', 'result', name='filerole', native_enum=False, length=20), nullable=False),
        sa.Column('storage_key', sa.Text(), nullable=False),
        sa.Column('filename', sa.Text(), nullable=False),
        sa.Column('content_type', sa.Text(), nullable=False),
        sa.Column('size', sa.BigInteger(), nullable=False),
        sa.Column('sha256', sa.LargeBinary(), nullable=False),
        sa.Column('media', postgresql.JSONB(), server_default='{}', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('files_account_id_fkey')),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('files_job_id_fkey')),
        sa.PrimaryKeyConstraint('id', name=op.f('files_pkey')),
        sa.UniqueConstraint('token', name=op.f('files_token_key'))
        )
    op.create_index('files_expiry_idx', 'files', ['expires_at'], unique=False, postgresql_where=sa.text('deleted_at IS NULL AND expires_at IS NOT NULL'))
    op.create_index('files_job_idx', 'files', ['job_id'], unique=False)
    op.create_table('holds',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('key_id', sa.Uuid(), nullable=False),
        sa.Column('job_id', sa.Uuid(), nullable=False),
        sa.Column('service', sa.Text(), nullable=False),
        sa.Column('kind', sa.Enum('visible', 'deferred', name='holdkind', native_enum=False, length=20), nullable=False),
        sa.Column('amount', sa.Numeric(precision=20, scale=9), nullable=False),
        sa.Column('captured', sa.Numeric(precision=20, scale=9), server_default='0', nullable=False),
        sa.Column('state', sa.Enum('open', 'captured', 'released', name='holdstate', native_enum=False, length=20), server_default='open', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name=op.f('holds_resolved_with_instant_check')),
        sa.CheckConstraint('amount >= 0', name=op.f('holds_amount_not_negative_check')),
        sa.CheckConstraint('captured >= 0 AND captured <= amount', name=op.f('holds_captured_within_amount_check')),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('holds_job_id_fkey'), initially='DEFERRED', deferrable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('holds_pkey'))
        )
    op.create_index('holds_job_idx', 'holds', ['job_id'], unique=False)
    op.create_index('holds_open_idx', 'holds', ['account_id'], unique=False, postgresql_where=sa.text("state = 'open'"))
    op.create_table('job_attempts',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('job_id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.SmallInteger(), nullable=False),
        sa.Column('provider', sa.Text(), nullable=False),
        sa.Column('provider_key', sa.Text(), nullable=False),
        sa.Column('dialect', sa.Text(), nullable=True),
        sa.Column('secret_hash', sa.LargeBinary(), nullable=True),
        sa.Column('task_id', sa.Text(), nullable=True),
    sa.Column('hinted_task_id', sa.Text(), nullable=True),
    sa.Column('step', sa.Text(), nullable=True),
    sa.Column('output', postgresql.JSONB(), nullable=True),
        sa.Column('outcome', sa.Enum('intended', 'accepted', 'refused', 'lost', 'done', 'failed', name='attemptoutcome', native_enum=False, length=20), server_default='intended', nullable=False),
        sa.Column('cost', sa.Numeric(precision=20, scale=9), nullable=True),
        sa.Column('detail', sa.Text(), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('job_attempts_job_id_fkey')),
        sa.PrimaryKeyConstraint('id', name=op.f('job_attempts_pkey')),
        sa.UniqueConstraint('job_id', 'number', name='job_attempts_job_number_key'),
        sa.UniqueConstraint('secret_hash', name=op.f('job_attempts_secret_hash_key'))
        )
    op.create_index('job_attempts_budget_idx', 'job_attempts', ['provider', 'provider_key', 'created_at'], unique=False)
    op.create_table('job_events',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('job_id', sa.Uuid(), nullable=False),
        sa.Column('source', sa.Enum('queued', 'submitting', 'running', 'storing', 'unclear', 'succeeded', 'failed', 'cancelled', name='jobstate', native_enum=False, length=20), nullable=True),
        sa.Column('target', sa.Enum('queued', 'submitting', 'running', 'storing', 'unclear', 'succeeded', 'failed', 'cancelled', name='jobstate', native_enum=False, length=20), nullable=False),
        sa.Column('detail', sa.Text(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('job_events_job_id_fkey')),
        sa.PrimaryKeyConstraint('id', name=op.f('job_events_pkey'))
        )
    op.create_index('job_events_job_idx', 'job_events', ['job_id', 'id'], unique=False)

def downgrade() -> None:
    op.drop_table("job_events")
    op.drop_table("job_attempts")
    op.drop_table("holds")
    op.drop_table("files")
    op.drop_table("key_budgets")
    op.drop_table("jobs")
    op.drop_table("turns")
    op.drop_table("ledger_entries")
    op.drop_table("balances")
    op.drop_table("api_keys")
    op.drop_table("rate_changes")
    op.drop_table("rested_keys")
    op.drop_table("purse_readings")
    op.drop_table("purse_days")
    op.drop_table("lanes")
    op.drop_table("idempotency_keys")
    op.drop_table("audit_runs")
    op.drop_table("admin_acts")
    op.drop_table("accounts")
