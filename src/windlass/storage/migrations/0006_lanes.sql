-- What hosts can take: how far a lane is slowed down, until when it is asked to be quiet, and when
-- its next fetch may start.

ALTER TABLE lane
    ADD COLUMN turn_at timestamptz,
    ADD COLUMN quiet_until timestamptz,
    ADD COLUMN failing_since timestamptz,
    ADD COLUMN given_up text,
    ADD COLUMN strain double precision NOT NULL DEFAULT 0,
    ADD COLUMN strained_at timestamptz,
    ADD COLUMN eased_at timestamptz,
    ADD COLUMN pace integer GENERATED ALWAYS AS (
        greatest(floor(concurrency / power(2, strain))::integer, 1)
    ) STORED,
    ADD COLUMN gap_s double precision GENERATED ALWAYS AS (
        CASE
            WHEN delay_s > 0 THEN greatest(delay_s, least(delay_s * power(2, strain), 60))
            WHEN concurrency < power(2, strain) THEN least(0.5 * power(2, strain) / concurrency, 60)
            ELSE 0
        END
    ) STORED;

CREATE INDEX lane_closed ON lane (key) WHERE open_until IS NOT NULL OR quiet_until IS NOT NULL;

-- Whose turn it is, across all lanes.
CREATE INDEX task_queueing ON task (account_id, priority, run_at) WHERE state = 'waiting';

-- One process asks a host at a time.
ALTER TABLE robots ALTER COLUMN rules DROP NOT NULL;
ALTER TABLE robots ADD COLUMN asking_until timestamptz;

-- A failed task may know when its host may be asked again; a running one how its lane is paced.
CREATE OR REPLACE VIEW stored_task AS
SELECT task.id, task.account_id, account.name AS account, task.kind, task.api,
    task.state::text AS state, task.input, '{}'::json AS request, task.attempt, task.failures,
    task.losses, task.created_at, task.modified_at, task.started_at, task.finished_at,
    task.deadline_s, task.status_code, task.failure_code, task.failure_message,
    task.result_address, task.result_expired, task.listed, task.lane, task.priority,
    task.delivery, task.parent_id, task.group_id,
    CASE WHEN task.state = 'failed' AND task.run_at > task.finished_at THEN task.run_at END
        AS retry_at,
    0::double precision AS gap_s, 0::double precision AS wait_s
FROM task JOIN account ON account.id = task.account_id;
