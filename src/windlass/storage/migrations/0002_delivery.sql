-- Deliveries: tasks that take another task's result or news to its owner.

ALTER TYPE task_state ADD VALUE 'delivering' BEFORE 'succeeded';

ALTER TABLE task
    ADD COLUMN delivery json,
    ADD COLUMN parent_id uuid REFERENCES task ON DELETE CASCADE,
    ADD COLUMN tried_since timestamptz;

CREATE INDEX task_children ON task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_deliveries ON task (account_id, created_at DESC, id DESC)
    WHERE kind IN ('upload', 'webhook');
CREATE INDEX task_undelivered ON task (account_id, created_at DESC, id DESC)
    WHERE kind IN ('upload', 'webhook') AND state = 'failed';
CREATE INDEX task_expiring ON task (tried_since)
    WHERE tried_since IS NOT NULL AND finished_at IS NULL;

ALTER TABLE attempt
    ADD COLUMN status_code smallint,
    ADD COLUMN duration_ms integer,
    ADD COLUMN answer text,
    ADD COLUMN next_at timestamptz;

ALTER TABLE lane
    ADD COLUMN pool text NOT NULL DEFAULT 'task',
    ADD COLUMN proven boolean NOT NULL DEFAULT true,
    ADD COLUMN streak integer NOT NULL DEFAULT 0,
    ADD COLUMN recent json,
    ADD COLUMN open_until timestamptz,
    ADD COLUMN probe_s real;

DROP INDEX lane_due;
CREATE INDEX lane_due ON lane (pool, next_at) WHERE next_at < 'infinity';

ALTER TABLE worker ADD COLUMN delivery_slots integer NOT NULL DEFAULT 0;

CREATE TABLE webhook_secret (
    account_id integer NOT NULL REFERENCES account,
    secret text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (account_id, secret)
);

CREATE UNIQUE INDEX webhook_secret_current ON webhook_secret (account_id) WHERE expires_at IS NULL;

-- A task as everybody but a claim reads it. Only a claim needs the request, which may be megabytes.
CREATE VIEW stored_task AS
SELECT task.id, task.account_id, account.name AS account, task.kind, task.api,
    task.state::text AS state, task.input, '{}'::json AS request, task.attempt, task.failures,
    task.losses, task.created_at, task.modified_at, task.started_at, task.finished_at,
    task.deadline_s, task.status_code, task.failure_code, task.failure_message,
    task.result_address, task.result_expired, task.listed, task.lane, task.priority,
    task.delivery, task.parent_id
FROM task JOIN account ON account.id = task.account_id;
