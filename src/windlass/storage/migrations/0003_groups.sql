-- Groups: tasks that were asked for together; and keys that make a repeated call the same call.

CREATE TABLE task_group (
    id uuid PRIMARY KEY,
    account_id integer NOT NULL REFERENCES account,
    kind text NOT NULL,
    input json NOT NULL,
    members uuid[] NOT NULL,
    created_at timestamptz NOT NULL,
    cancelled_at timestamptz
);

CREATE INDEX task_group_listing ON task_group (account_id, kind, created_at DESC, id DESC);

ALTER TABLE task ADD COLUMN group_id uuid REFERENCES task_group ON DELETE CASCADE;

CREATE INDEX task_members ON task (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX task_members_unfinished ON task (group_id)
    WHERE group_id IS NOT NULL AND finished_at IS NULL;

CREATE TABLE idempotency_key (
    account_id integer NOT NULL REFERENCES account,
    key text NOT NULL,
    digest bytea NOT NULL,
    made uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);

CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

CREATE OR REPLACE VIEW stored_task AS
SELECT task.id, task.account_id, account.name AS account, task.kind, task.api,
    task.state::text AS state, task.input, '{}'::json AS request, task.attempt, task.failures,
    task.losses, task.created_at, task.modified_at, task.started_at, task.finished_at,
    task.deadline_s, task.status_code, task.failure_code, task.failure_message,
    task.result_address, task.result_expired, task.listed, task.lane, task.priority,
    task.delivery, task.parent_id, task.group_id
FROM task JOIN account ON account.id = task.account_id;

CREATE VIEW stored_group AS
SELECT task_group.id, task_group.account_id, account.name AS account, task_group.kind,
    task_group.members, task_group.created_at, task_group.cancelled_at IS NOT NULL AS cancelled,
    cardinality(members) - (
        SELECT count(*) FROM task WHERE task.group_id = task_group.id AND finished_at IS NULL
    ) AS ended,
    (SELECT max(finished_at) FROM task WHERE task.group_id = task_group.id) AS finished_at
FROM task_group JOIN account ON account.id = task_group.account_id;
