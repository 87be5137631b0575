-- The whole database as the newest version of Windlass wants it, in the schema "windlass".
-- A new database is made from this file; older ones are brought here by migrations/NNNN_*.sql,
-- and a test proves that both ways end in the same catalogue.
-- PgQueuer's own tables stand beside these; storage/queue.py installs them.

CREATE TABLE schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE account (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Keys are random and long, so one round of SHA-256 is enough to store them safely.
CREATE TABLE api_key (
    id uuid PRIMARY KEY,
    account_id integer NOT NULL REFERENCES account,
    hash bytea NOT NULL UNIQUE,
    prefix text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);

-- delayed: not before run_at · waiting: may start when its lane allows · admitted: in the queue.
-- All three are "queued" to everybody outside storage/. delivering: done, and its upload will end
-- it; "running" outside, but without a slot or a deadline.
CREATE TYPE task_state AS ENUM (
    'delayed', 'waiting', 'admitted', 'running', 'delivering', 'succeeded', 'failed', 'cancelled'
);

-- Tasks that were asked for together (batch), or that a crawl has found. members: the ids of a
-- batch's tasks in the order of the inputs, which retention does not touch. The columns after
-- cancelled_at are a crawl's; its state is queued, running, succeeded, failed or cancelled, and
-- taken says how many of its pages are admitted or fetched.
CREATE TABLE task_group (
    id uuid PRIMARY KEY,
    account_id integer NOT NULL REFERENCES account,
    kind text NOT NULL,
    input json NOT NULL,
    members uuid[] NOT NULL,
    created_at timestamptz NOT NULL,
    cancelled_at timestamptz,
    name text,
    options json,
    delivery json,
    state text,
    updated_at timestamptz,
    finished_at timestamptz,
    taken integer NOT NULL DEFAULT 0
);

CREATE INDEX task_group_listing ON task_group (account_id, kind, created_at DESC, id DESC);
CREATE INDEX task_group_active ON task_group (id) WHERE state IN ('queued', 'running');

CREATE TABLE task (
    id uuid PRIMARY KEY,
    account_id integer NOT NULL REFERENCES account,
    state task_state NOT NULL,
    priority smallint NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    losses integer NOT NULL DEFAULT 0,
    listed boolean NOT NULL,
    lane text NOT NULL,
    kind text NOT NULL,
    api text NOT NULL,
    input json NOT NULL,
    request json NOT NULL,
    deadline_s real NOT NULL,
    run_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    worker text,
    status_code smallint,
    failure_code text,
    failure_message text,
    result_address text,
    result_expired boolean NOT NULL DEFAULT false,
    delivery json,
    parent_id uuid REFERENCES task ON DELETE CASCADE,
    tried_since timestamptz,
    group_id uuid REFERENCES task_group ON DELETE CASCADE
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);

-- The head of a lane: every account's next task without looking at any other.
CREATE INDEX task_waiting ON task (lane, account_id, priority, run_at) WHERE state = 'waiting';
-- Whose turn it is, across all lanes.
CREATE INDEX task_queueing ON task (account_id, priority, run_at) WHERE state = 'waiting';
CREATE INDEX task_delayed ON task (run_at) WHERE state = 'delayed';
-- Results that must not expire yet: their uploads wait.
CREATE INDEX task_parked ON task (modified_at) WHERE state = 'delivering';
-- What a lane's concurrency is counted over.
CREATE INDEX task_occupying ON task (lane) WHERE state IN ('admitted', 'running');
CREATE INDEX task_listing ON task (account_id, created_at DESC, id DESC) WHERE listed;
CREATE INDEX task_kept ON task (finished_at) WHERE finished_at IS NOT NULL AND NOT result_expired;
CREATE INDEX task_expired ON task (finished_at) WHERE result_expired;
CREATE INDEX task_children ON task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_deliveries ON task (account_id, created_at DESC, id DESC)
    WHERE kind IN ('upload', 'webhook');
-- The few of them that somebody looks for.
CREATE INDEX task_undelivered ON task (account_id, created_at DESC, id DESC)
    WHERE kind IN ('upload', 'webhook') AND state = 'failed';
CREATE INDEX task_expiring ON task (tried_since)
    WHERE tried_since IS NOT NULL AND finished_at IS NULL;
CREATE INDEX task_members ON task (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX task_members_unfinished ON task (group_id)
    WHERE group_id IS NOT NULL AND finished_at IS NULL;
CREATE INDEX task_members_failed ON task (group_id)
    WHERE group_id IS NOT NULL AND state IN ('failed', 'cancelled');

-- Attempts that did not end their task with success: retried, lost with their worker, given back;
-- and every attempt to deliver, with what it saw (the last four columns).
CREATE TABLE attempt (
    task_id uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    number integer NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    outcome text NOT NULL,
    code text,
    message text,
    status_code smallint,
    duration_ms integer,
    answer text,
    next_at timestamptz,
    PRIMARY KEY (task_id, number)
);

-- A lane is a host, a webhook endpoint or a bucket. next_at says when its next task may be admitted;
-- infinity: nothing waits. What runs is never kept here, it is counted. pool: whose slots its tasks
-- run in. One that is not proven gets one task at a time. proven to probe_s, failing_since and
-- given_up (the code that what waits fails with) are its circuit breaker, see breaker.py.
-- turn_at: when its next fetch may start, where fetches keep a gap. quiet_until: the host asked for
-- no fetch before. strain: by how many powers of two it is slowed down, see strain.py; what that
-- makes of its limits are pace (tasks at a time) and gap_s (seconds between two starts).
CREATE TABLE lane (
    key text PRIMARY KEY,
    next_at timestamptz NOT NULL,
    concurrency integer NOT NULL,
    delay_s double precision NOT NULL,
    pool text NOT NULL DEFAULT 'task',
    proven boolean NOT NULL DEFAULT true,
    streak integer NOT NULL DEFAULT 0,
    recent json,
    open_until timestamptz,
    probe_s real,
    turn_at timestamptz,
    quiet_until timestamptz,
    failing_since timestamptz,
    given_up text,
    strain double precision NOT NULL DEFAULT 0,
    strained_at timestamptz,
    eased_at timestamptz,
    pace integer GENERATED ALWAYS AS (
        greatest(floor(concurrency / power(2, strain))::integer, 1)
    ) STORED,
    gap_s double precision GENERATED ALWAYS AS (
        CASE
            WHEN delay_s > 0 THEN greatest(delay_s, least(delay_s * power(2, strain), 60))
            WHEN concurrency < power(2, strain) THEN least(0.5 * power(2, strain) / concurrency, 60)
            ELSE 0
        END
    ) STORED
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX lane_due ON lane (pool, next_at) WHERE next_at < 'infinity';
CREATE INDEX lane_closed ON lane (key) WHERE open_until IS NOT NULL OR quiet_until IS NOT NULL;

-- Cookies that requests with the same session id share.
CREATE TABLE session (
    account_id integer NOT NULL REFERENCES account,
    id text NOT NULL,
    cookies json NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE INDEX session_expiry ON session (expires_at);

-- Worker processes that say they are alive; what their slots add up to bounds the queue.
CREATE TABLE worker (
    id text PRIMARY KEY,
    slots integer NOT NULL,
    seen_at timestamptz NOT NULL,
    delivery_slots integer NOT NULL DEFAULT 0
);

-- Finished tasks by outcome since the database was made; /metrics reads them.
CREATE TABLE tally (
    kind text NOT NULL,
    outcome text NOT NULL,
    code text NOT NULL,
    count bigint NOT NULL,
    seconds double precision NOT NULL,
    PRIMARY KEY (kind, outcome, code)
) WITH (fillfactor = 50);

-- What webhooks of an account are signed with: the one without an end, and those before it until
-- they end.
CREATE TABLE webhook_secret (
    account_id integer NOT NULL REFERENCES account,
    secret text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (account_id, secret)
);

CREATE UNIQUE INDEX webhook_secret_current ON webhook_secret (account_id) WHERE expires_at IS NULL;

-- A task as everybody but a claim reads it. Only a claim needs the request, which may be megabytes,
-- and the gap that its lane keeps. retry_at: when the host of a failed one may be asked again.
CREATE VIEW stored_task AS
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

-- A group with its numbers, which are counted: unfinished members are few in the end.
CREATE VIEW stored_group AS
SELECT task_group.id, task_group.account_id, account.name AS account, task_group.kind,
    task_group.members, task_group.created_at, task_group.cancelled_at IS NOT NULL AS cancelled,
    cardinality(members) - (
        SELECT count(*) FROM task WHERE task.group_id = task_group.id AND finished_at IS NULL
    ) AS ended,
    (SELECT max(finished_at) FROM task WHERE task.group_id = task_group.id) AS finished_at
FROM task_group JOIN account ON account.id = task_group.account_id;

-- Keys that callers have sent with creating calls, and what was made: a task or a group.
CREATE TABLE idempotency_key (
    account_id integer NOT NULL REFERENCES account,
    key text NOT NULL,
    digest bytea NOT NULL,
    made uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);

CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

-- Every URL that a crawl has heard of: the whole memory of its frontier. held: waits for held_by, a
-- family ("" = its turn) · admitted: has a task under way · fetched: its task has ended · alias:
-- another address of alias_of · stopped: given up with its family · excluded: robots.txt keeps it
-- from us · beyond: found when the limit was reached. found_on: the task of the page that named it.
-- alias_of of an admitted page: its task has ended, and the page that it names as canonical is under
-- way; of a fetched one: it names that page, but shows something else.
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
    sketch bytea,
    PRIMARY KEY (group_id, key)
) WITH (fillfactor = 80);

CREATE INDEX page_of_task ON page (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX page_taken ON page (group_id, seq) WHERE state IN ('admitted', 'fetched');
CREATE INDEX page_under_way ON page (group_id, turn) WHERE state = 'admitted';
CREATE INDEX page_held ON page (group_id, held_by, turn, seq) WHERE state = 'held';
CREATE INDEX page_left_out ON page (group_id, state, seq) WHERE state NOT IN ('admitted', 'fetched');
CREATE INDEX page_waiting ON page (group_id, alias_of)
WHERE state = 'admitted' AND alias_of IS NOT NULL;
CREATE INDEX page_texts ON page (group_id, likeness, digest) WHERE likeness IS NOT NULL;

-- What families of URLs have shown in a crawl (frontier/traps.py), as msgpack.
CREATE TABLE family (
    group_id uuid NOT NULL REFERENCES task_group ON DELETE CASCADE,
    name text NOT NULL,
    standing bytea NOT NULL,
    refused integer NOT NULL,
    PRIMARY KEY (group_id, name)
) WITH (fillfactor = 70);

-- What hosts ask of robots, by lane, as the newest answer that counts said it; no rules: nothing is
-- known yet. asking_until: a process asks just now, and the others wait for what it hears.
CREATE TABLE robots (
    lane text PRIMARY KEY,
    rules json,
    delay_s double precision NOT NULL,
    fetched_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    unreachable_since timestamptz,
    asking_until timestamptz
);

-- Sites (host and port) whose pages proved to be nothing without a browser.
CREATE TABLE rendered_site (
    site text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE INDEX rendered_site_expiry ON rendered_site (expires_at);

-- A crawl with its numbers. Whoever changes its pages keeps `taken`, the others are counted.
CREATE VIEW stored_crawl AS
SELECT task_group.id, task_group.account_id, account.name AS account, task_group.name,
    task_group.input, task_group.options, task_group.delivery, task_group.state,
    task_group.created_at, task_group.updated_at, task_group.finished_at,
    task_group.taken::bigint AS total, counted.pending, counted.failed
FROM task_group JOIN account ON account.id = task_group.account_id
CROSS JOIN LATERAL (
    SELECT (
        -- A page's task that is done and being uploaded may have turned out to be no page.
        SELECT count(*) FILTER (WHERE CASE WHEN task.state = 'delivering' THEN (
            SELECT page.state IN ('admitted', 'fetched') FROM page WHERE page.task_id = task.id
        ) ELSE true END)
        FROM task
        WHERE task.group_id = task_group.id AND task.finished_at IS NULL
            AND task.kind = 'crawl_page'
    ) AS pending, (
        -- As conditions of the join, the states would have page_taken read for each of the tasks.
        SELECT count(*) FILTER (WHERE page.state IN ('admitted', 'fetched'))
        FROM task JOIN page ON page.task_id = task.id
        WHERE task.group_id = task_group.id AND task.state IN ('failed', 'cancelled')
    ) AS failed
) AS counted
WHERE task_group.kind = 'crawl';

-- Agents of accounts, every version of each; the newest is the one that runs.
CREATE TABLE agent (
    account_id integer NOT NULL REFERENCES account,
    name text NOT NULL,
    version integer NOT NULL,
    document json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name, version)
);
