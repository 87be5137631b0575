-- Crawls: groups that find their own tasks.

ALTER TABLE task_group
    ADD COLUMN name text,
    ADD COLUMN options json,
    ADD COLUMN delivery json,
    ADD COLUMN state text,
    ADD COLUMN updated_at timestamptz,
    ADD COLUMN finished_at timestamptz;

CREATE INDEX task_group_active ON task_group (id) WHERE state IN ('queued', 'running');

CREATE TABLE page (
    group_id uuid NOT NULL REFERENCES task_group ON DELETE CASCADE,
    key bytea NOT NULL,
    url text NOT NULL,
    state text NOT NULL,
    depth smallint NOT NULL,
    turn smallint NOT NULL,
    lineage integer NOT NULL,
    listed boolean NOT NULL,
    held_by text,
    task_id uuid,
    found_on uuid,
    alias_of bytea,
    digest bytea,
    likeness bigint,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (group_id, key)
) WITH (fillfactor = 80);

CREATE INDEX page_of_task ON page (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX page_taken ON page (group_id, seq) WHERE state IN ('admitted', 'fetched');
CREATE INDEX page_under_way ON page (group_id, turn) WHERE state = 'admitted';
CREATE INDEX page_held ON page (group_id, held_by, turn, seq) WHERE state = 'held';
CREATE INDEX page_left_out ON page (group_id, state, seq) WHERE state NOT IN ('admitted', 'fetched');
CREATE INDEX page_likeness ON page (group_id, likeness) WHERE likeness IS NOT NULL;
CREATE INDEX page_digest ON page (group_id, digest) WHERE digest IS NOT NULL;

CREATE TABLE family (
    group_id uuid NOT NULL REFERENCES task_group ON DELETE CASCADE,
    name text NOT NULL,
    standing bytea NOT NULL,
    refused integer NOT NULL,
    PRIMARY KEY (group_id, name)
) WITH (fillfactor = 70);

CREATE TABLE robots (
    lane text PRIMARY KEY,
    rules json NOT NULL,
    delay_s double precision NOT NULL,
    fetched_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    unreachable_since timestamptz
);

-- A crawl with its numbers, all from one look at its pages.
CREATE VIEW stored_crawl AS
SELECT task_group.id, task_group.account_id, account.name AS account, task_group.name,
    task_group.input, task_group.options, task_group.delivery, task_group.state,
    task_group.created_at, task_group.updated_at, task_group.finished_at,
    counted.total, counted.pending, counted.failed
FROM task_group JOIN account ON account.id = task_group.account_id
CROSS JOIN LATERAL (
    SELECT count(*) AS total,
        count(*) FILTER (WHERE task.id IS NOT NULL AND task.finished_at IS NULL) AS pending,
        count(*) FILTER (WHERE task.state IN ('failed', 'cancelled')) AS failed
    FROM page LEFT JOIN task ON task.id = page.task_id
    WHERE page.group_id = task_group.id AND page.state IN ('admitted', 'fetched')
) AS counted
WHERE task_group.kind = 'crawl';
