-- Every statement that Windlass runs, by name. One line says what it means.

-- name: find_key
-- The account of an unrevoked key.
SELECT account.id, account.name, api_key.id AS key_id
FROM api_key JOIN account ON account.id = api_key.account_id
WHERE api_key.hash = $1 AND api_key.revoked_at IS NULL;

-- name: touch_keys
-- Remembers when keys were last used; called now and then, not per request.
UPDATE api_key SET last_used_at = now()
FROM (SELECT id FROM api_key WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE) AS used
WHERE api_key.id = used.id;

-- name: ensure_account
-- An account's id, made if it is new.
WITH made AS (
    INSERT INTO account (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id
)
SELECT id FROM made UNION ALL SELECT id FROM account WHERE name = $1 LIMIT 1;

-- name: insert_key
-- A new key; the same key again (at every start) is fine, a revoked one comes back to life.
INSERT INTO api_key (id, account_id, hash, prefix) VALUES ($1, $2, $3, $4)
ON CONFLICT (hash) DO UPDATE SET revoked_at = NULL
RETURNING id, created_at;

-- name: list_keys
-- All keys, newest first.
SELECT api_key.id, account.name AS account, prefix, api_key.created_at, last_used_at, revoked_at
FROM api_key JOIN account ON account.id = api_key.account_id
ORDER BY api_key.created_at DESC, api_key.id;

-- name: revoke_key
-- Revokes a key; returns it whether or not it was revoked before.
UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id;

-- name: active_secrets
-- What webhooks of an account are signed with, the newest first. Not more than fit in a header,
-- however often they are changed.
SELECT secret, created_at, expires_at FROM webhook_secret
WHERE account_id = $1 AND (expires_at IS NULL OR expires_at > now())
ORDER BY expires_at IS NULL DESC, created_at DESC LIMIT 5;

-- name: first_secret
-- An account's first secret, unless it has one.
INSERT INTO webhook_secret (account_id, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: rotate_secret
-- A new secret, unless the account has had it before; the one before it stays active for a while.
-- Old ones are kept: a setting that still holds one must not bring it back.
WITH ending AS (
    UPDATE webhook_secret SET expires_at = now() + make_interval(secs => $3)
    WHERE account_id = $1 AND expires_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM webhook_secret WHERE account_id = $1 AND secret = $2)
    RETURNING secret
)
-- Counting them first ends them first: an account has one secret without an end.
INSERT INTO webhook_secret (account_id, secret)
SELECT $1, $2 FROM (SELECT count(*) FROM ending) AS ended
ON CONFLICT DO NOTHING;

-- name: insert_tasks
-- Accepts tasks. Ids are ours, so a repeated call after a lost answer changes nothing.
INSERT INTO task (
    id, account_id, kind, api, lane, input, request, priority, listed, deadline_s,
    state, run_at, created_at, modified_at, delivery, parent_id, tried_since, group_id
)
SELECT id, account_id, kind, api, lane, input, request, priority, listed, deadline_s,
    CASE WHEN run_at > now() THEN 'delayed' ELSE 'waiting' END::task_state,
    coalesce(run_at, now()), now(), now(), delivery, parent_id, tried_since, group_id
FROM unnest(
    $1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::json[], $7::json[],
    $8::smallint[], $9::boolean[], $10::real[], $11::timestamptz[], $12::json[], $13::uuid[],
    $14::timestamptz[], $15::uuid[]
) AS new (
    id, account_id, kind, api, lane, input, request, priority, listed, deadline_s, run_at,
    delivery, parent_id, tried_since, group_id
)
ON CONFLICT (id) DO NOTHING
RETURNING created_at;

-- name: arm_lanes
-- Tells lanes that something waits, and makes the lanes that are new, as slow as their hosts ask
-- robots to be. In key order, like every
-- statement that locks several lanes.
INSERT INTO lane (key, next_at, concurrency, delay_s, pool, proven)
SELECT key, now(), concurrency, greatest(new.delay_s, robots.delay_s), pool, proven
FROM unnest($1::text[], $2::int[], $3::double precision[], $4::text[], $5::boolean[])
    AS new (key, concurrency, delay_s, pool, proven)
LEFT JOIN robots ON robots.lane = new.key
ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    next_at = greatest(
        now(), lane.open_until, lane.quiet_until - interval '100 milliseconds', lane.turn_at
    )
WHERE lane.next_at = 'infinity';

-- name: set_lane_limits
-- Brings lanes to the limits of today's settings.
UPDATE lane SET concurrency = today.concurrency, delay_s = today.delay_s
FROM (SELECT key FROM lane WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE) AS locked
JOIN (
    SELECT key, concurrency, greatest(new.delay_s, robots.delay_s) AS delay_s
    FROM unnest($1::text[], $2::int[], $3::double precision[]) AS new (key, concurrency, delay_s)
    LEFT JOIN robots ON robots.lane = new.key
) AS today USING (key)
WHERE lane.key = locked.key
    AND (lane.concurrency, lane.delay_s) IS DISTINCT FROM (today.concurrency, today.delay_s);

-- name: admission_room
-- For each pool: how many more tasks its queue should hold (twice the slots alive, less what is
-- queued), and in how many seconds the next lane and the next delayed task are due (null: none is).
-- For tasks as a whole: the slots alive, how many of the queue wait for one or have one, and whether
-- accounts share them (newcomers says which then come first).
WITH alive AS (
    SELECT coalesce(sum(slots), 0) AS task, coalesce(sum(delivery_slots), 0) AS delivery
    FROM worker WHERE seen_at > now() - interval '15 seconds'
), queued AS MATERIALIZED (
    SELECT (SELECT count(*) FROM pgqueuer WHERE status = 'queued' AND entrypoint = 'task') AS task,
        (SELECT count(*) FROM pgqueuer WHERE status = 'queued' AND entrypoint = 'prompt') AS prompt,
        (SELECT count(*) FROM pgqueuer WHERE status = 'queued' AND entrypoint = 'delivery')
            AS delivery
), waiting AS MATERIALIZED (
    SELECT (SELECT account_id FROM task WHERE state = 'waiting' ORDER BY account_id LIMIT 1)
            AS first,
        (SELECT account_id FROM task WHERE state = 'waiting' ORDER BY account_id DESC LIMIT 1)
            AS last
), sharing AS MATERIALIZED (
    SELECT first IS NOT NULL AND (first <> last OR EXISTS (
        SELECT FROM task
        WHERE state IN ('admitted', 'running') AND kind NOT IN ('upload', 'webhook')
            AND account_id <> first
    )) AS shared
    FROM waiting
)
SELECT pool.name AS pool, greatest(2 * pool.slots - pool.queued, 0)::int AS room,
    (SELECT extract(epoch FROM min(next_at) - now())
     FROM lane WHERE lane.pool = pool.name AND next_at < 'infinity')::double precision
        AS lane_due_s,
    (SELECT extract(epoch FROM min(run_at) - now()) FROM task WHERE state = 'delayed')
        ::double precision AS task_due_s,
    alive.task::int AS slots, (queued.task + queued.prompt)::int AS queued,
    (SELECT count(*) FROM pgqueuer
     WHERE status = 'picked' AND entrypoint IN ('task', 'prompt'))::int AS taken,
    sharing.shared
FROM alive CROSS JOIN queued CROSS JOIN sharing
CROSS JOIN LATERAL (
    VALUES ('task', alive.task, queued.task), ('delivery', alive.delivery, queued.delivery)
) AS pool (name, slots, queued);

-- name: lock_due_lanes
-- Lanes of a pool whose next task may start, the one that waited longest first, and full lanes in
-- which a task has ended; lanes that another process is serving are passed over.
SELECT key FROM lane
WHERE pool = $3 AND next_at < 'infinity' AND (
    next_at <= now()
    OR key = ANY($2::text[]) AND gap_s = 0
        AND (greatest(open_until, quiet_until) <= now()) IS NOT FALSE
)
ORDER BY next_at LIMIT $1
FOR UPDATE SKIP LOCKED;

-- name: lock_lanes
-- Certain lanes for tasks that go first, whatever the queue holds, and those that are closed. A full
-- lane may have room again.
SELECT key, coalesce(greatest(open_until, quiet_until) > now(), false) AS closed FROM lane
WHERE key = ANY($1::text[]) AND (
    next_at <= now() OR next_at = 'infinity' OR gap_s = 0 OR greatest(open_until, quiet_until) > now()
)
ORDER BY key
FOR UPDATE SKIP LOCKED;

-- name: account_room
-- How many more tasks the accounts that have a limit may have under way: $1 where $2 and $3 do not
-- say otherwise by name; null: as many as they like.
SELECT account.id, (coalesce(own.most, $1) - (
    SELECT count(*) FROM task
    WHERE account_id = account.id AND state IN ('admitted', 'running')
        AND kind NOT IN ('upload', 'webhook')
))::int AS free
FROM account LEFT JOIN unnest($2::text[], $3::int[]) AS own (name, most) USING (name)
WHERE coalesce(own.most, $1::int) IS NOT NULL;

-- name: admit_heads
-- Takes the head tasks of locked lanes, $2 in all and of each lane at most what $3 says for it: as
-- many as a lane's concurrency leaves room for (one where it keeps a gap), the lane that waited
-- longest first, accounts in turn, urgent first; and moves the lanes on. Must run in a statement
-- after the lock, or the count would use an older snapshot and over-admit. The accounts $4 may have
-- no more than $5 of it. $6: of these accounts only. The worker $7 takes some at once, $8 at most and
-- $9 of all of them, counting what it has ahead of the others (-$10): they start here (own), as
-- claim_tasks would start them, if they never did before and have not to keep to a time. The attempts
-- $12 at $11 run, but ask no more of their hosts; a lane has no more of them than of others.
WITH busy AS MATERIALIZED (
    SELECT lane, account_id, count(*) AS whole, count(*) FILTER (
        WHERE (id, attempt) NOT IN (SELECT * FROM unnest($11::uuid[], $12::int[]))
    ) AS tasks
    FROM task WHERE lane = ANY($1) AND state IN ('admitted', 'running')
    GROUP BY lane, account_id
), room AS MATERIALIZED (
    SELECT lane.key, lane.gap_s, asked.most,
    lane.gap_s = 0 AND (greatest(lane.open_until, lane.quiet_until) <= now()) IS NOT FALSE AS open,
    CASE WHEN lane.proven
        THEN least(lane.pace - coalesce(taken.tasks, 0), 2 * lane.pace - coalesce(taken.whole, 0))
        ELSE 1 - coalesce(taken.whole, 0)
    END::int AS free
    FROM unnest($1::text[], $3::int[]) AS asked (key, most) JOIN lane USING (key)
    LEFT JOIN (
        SELECT lane, sum(tasks) AS tasks, sum(whole) AS whole FROM busy GROUP BY lane
    ) AS taken ON taken.lane = lane.key
    ORDER BY lane.next_at, lane.key
), capped AS MATERIALIZED (
    -- What accounts may have is counted in a statement of its own: here, PostgreSQL would plan the
    -- whole anew each time, which costs as much as running it.
    SELECT id, free FROM unnest($4::int[], $5::int[]) AS account (id, free)
), head AS (
    SELECT picked.id, picked.account_id, room.key, room.open
    FROM room CROSS JOIN LATERAL (
        -- Ranges of one value and orders by it leave PostgreSQL no index but task_waiting, which on
        -- an empty table looks no better than others; and the plan is kept.
        WITH RECURSIVE sharer AS (
            (SELECT lane, account_id FROM task
             WHERE state = 'waiting' AND lane >= room.key
             ORDER BY lane, account_id LIMIT 1)
            UNION ALL
            (SELECT following.lane, following.account_id
             FROM sharer CROSS JOIN LATERAL (
                 SELECT lane, account_id FROM task
                 WHERE state = 'waiting'
                     AND (task.lane, task.account_id) > (sharer.lane, sharer.account_id)
                 ORDER BY lane, account_id LIMIT 1
             ) AS following
             WHERE sharer.lane = room.key)
        )
        SELECT mine.id, sharer.account_id FROM sharer CROSS JOIN LATERAL (
            SELECT id, priority, run_at,
                row_number() OVER (ORDER BY priority, run_at) + coalesce((
                    SELECT tasks FROM busy
                    WHERE busy.lane = room.key AND busy.account_id = sharer.account_id
                ), 0) AS turn
            FROM (
                SELECT id, priority, run_at FROM task
                WHERE state = 'waiting'
                    AND (task.lane, task.account_id) >= (room.key, sharer.account_id)
                    AND (task.lane, task.account_id) <= (room.key, sharer.account_id)
                ORDER BY lane, account_id, priority, run_at
                LIMIT CASE WHEN room.gap_s > 0 THEN least(greatest(room.free, 0), 1)
                    ELSE least(greatest(room.free, 0), room.most) END
            ) AS next
        ) AS mine
        WHERE sharer.lane = room.key AND ($6::int[] IS NULL OR sharer.account_id = ANY($6))
            AND NOT EXISTS (SELECT FROM capped WHERE capped.id = sharer.account_id AND free <= 0)
        ORDER BY mine.priority, mine.turn, mine.run_at
        LIMIT CASE WHEN room.gap_s > 0 THEN least(greatest(room.free, 0), 1)
            ELSE least(greatest(room.free, 0), room.most) END
    ) AS picked
    -- The order of the lanes; sorting here would look into all of them for every free place.
    LIMIT $2
), fair AS (
    SELECT id, open FROM (
        SELECT head.id, head.open, capped.free,
            CASE WHEN capped.free IS NOT NULL
                THEN row_number() OVER (PARTITION BY head.account_id) END AS place
        FROM head LEFT JOIN capped ON capped.id = head.account_id
    ) AS placed
    WHERE (place <= free) IS NOT FALSE
), mine AS (
    -- Whoever holds lanes waits for no task: outcomes hold tasks and wait for lanes.
    -- As text, the state leaves the primary key as the only way to them.
    SELECT task.id, task.priority, fair.open AND task.priority > 0 AND task.attempt = 0 AS fit
    FROM task JOIN fair USING (id)
    WHERE task.state::text = 'waiting' FOR NO KEY UPDATE OF task SKIP LOCKED
), seated AS (
    SELECT id, fit AND row_number() OVER (PARTITION BY fit ORDER BY priority)
        <= least($8::int, ceil($9::double precision * count(*) OVER () + $10::double precision))
        AS own
    FROM mine
), admitted AS (
    UPDATE task SET state = CASE WHEN own THEN 'running' ELSE 'admitted' END::task_state,
        attempt = task.attempt + own::int, worker = CASE WHEN own THEN $7 ELSE task.worker END,
        started_at = CASE WHEN own THEN clock_timestamp() ELSE task.started_at END,
        modified_at = clock_timestamp()
    FROM seated WHERE task.id = seated.id
    RETURNING task.*, seated.own
), served AS (
    SELECT room.key, count(head.id) AS found, count(admitted.id) AS taken, room.free, room.gap_s
    FROM room LEFT JOIN head USING (key) LEFT JOIN admitted ON admitted.id = head.id
    GROUP BY room.key, room.free, room.gap_s
), moved AS (
    UPDATE lane SET next_at = CASE
        WHEN served.taken > 0 AND served.gap_s > 0
            THEN greatest(lane.turn_at, now() + make_interval(secs => served.gap_s))
        -- A full lane is looked at again when one of its tasks ends; the second is the floor.
        WHEN served.free <= served.taken THEN now() + interval '1 second'
        WHEN served.found > 0 THEN now()
        -- Nobody who waits there may have more just now.
        WHEN (SELECT count(*) FROM head) < $2 AND EXISTS (
            SELECT FROM capped CROSS JOIN LATERAL (
                SELECT FROM task
                WHERE state = 'waiting'
                    AND (task.lane, task.account_id) >= (lane.key, capped.id)
                    AND (task.lane, task.account_id) <= (lane.key, capped.id)
                ORDER BY task.lane, task.account_id LIMIT 1
            ) AS held_back
            WHERE capped.free <= 0
        ) THEN now() + interval '1 second'
        -- Nothing was there to take: idle, unless the room of this round ran out first.
        WHEN $6 IS NULL AND (SELECT count(*) FROM head) < $2 THEN 'infinity'::timestamptz
        -- It keeps its place among those that wait.
        ELSE least(lane.next_at, now())
    END
    FROM served WHERE lane.key = served.key
)
SELECT admitted.id, own, account_id, account.name AS account, kind, api, state::text,
    CASE WHEN own THEN input END AS input, CASE WHEN own THEN request END AS request, attempt,
    failures, losses, admitted.created_at, modified_at, started_at, deadline_s, status_code,
    failure_code, failure_message, result_address, result_expired, listed, lane, priority,
    CASE WHEN own THEN delivery END AS delivery, parent_id, group_id,
    NULL::timestamptz AS retry_at, 0::double precision AS gap_s, 0::double precision AS wait_s
FROM admitted JOIN account ON account.id = admitted.account_id ORDER BY priority;

-- name: promote_delayed
-- Delayed tasks whose time has come start to wait; a slice per call.
WITH due AS (
    SELECT id FROM task WHERE state = 'delayed' AND run_at <= now()
    ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE task SET state = 'waiting' FROM due WHERE task.id = due.id RETURNING task.lane;

-- name: recover_tasks
-- Tasks that should be in the queue but are not (the queue's table does not survive a crash of
-- PostgreSQL; a worker may have lost its lease while it ran) wait again.
WITH lost AS (
    SELECT id FROM task
    WHERE state IN ('admitted', 'running')
        AND NOT EXISTS (SELECT 1 FROM pgqueuer WHERE payload = uuid_send(task.id))
    FOR UPDATE SKIP LOCKED
)
UPDATE task SET state = 'waiting', modified_at = now()
FROM lost WHERE task.id = lost.id
RETURNING task.id, task.lane;

-- name: unarmed_lanes
-- Lanes where something waits although they think not (a process died between accepting a task
-- and arming its lane). A loose index scan: one step per lane, not per task.
WITH RECURSIVE waiting AS (
    (SELECT lane FROM task WHERE state = 'waiting' ORDER BY lane LIMIT 1)
    UNION ALL
    (SELECT (SELECT task.lane FROM task WHERE state = 'waiting' AND task.lane > waiting.lane
             ORDER BY task.lane LIMIT 1)
     FROM waiting WHERE waiting.lane IS NOT NULL)
)
SELECT waiting.lane FROM waiting LEFT JOIN lane ON lane.key = waiting.lane
WHERE waiting.lane IS NOT NULL AND (lane.key IS NULL OR lane.next_at = 'infinity');

-- name: claim_tasks
-- A worker starts tasks. A task found running was lost by the worker before; that is recorded. One
-- whose lane was closed since it was admitted, or has others' turns before its own, waits again; if
-- that ends in a moment (wait_s), it may as well wait where it is.
WITH old AS (
    SELECT id, lane, state, attempt, worker, started_at, modified_at FROM task
    WHERE id = ANY($1::uuid[]) AND state IN ('admitted', 'running')
    ORDER BY kind <> 'upload', id FOR UPDATE
), paced AS MATERIALIZED (
    SELECT old.*, coalesce(lane.gap_s, 0) AS gap_s, greatest(
        lane.open_until, lane.quiet_until,
        CASE WHEN lane.gap_s > 0 AND lane.turn_at > clock_timestamp() + interval '1 second'
            THEN lane.turn_at END
    ) AS not_before
    FROM old LEFT JOIN lane ON lane.key = old.lane
), early AS (
    SELECT id, lane, not_before FROM paced
    WHERE state = 'admitted' AND not_before > clock_timestamp() + interval '200 milliseconds'
), returned AS (
    UPDATE task SET state = 'waiting', modified_at = clock_timestamp()
    FROM early WHERE task.id = early.id
), armed AS (
    UPDATE lane SET next_at = early.not_before
    FROM early WHERE lane.key = early.lane AND lane.next_at = 'infinity'
), lost AS (
    INSERT INTO attempt (task_id, number, worker, started_at, finished_at, outcome, code)
    SELECT id, attempt, worker, started_at, now(), 'lost', 'worker_lost' FROM old
    WHERE state = 'running'
    ON CONFLICT DO NOTHING
)
UPDATE task SET state = 'running', attempt = task.attempt + 1,
    losses = task.losses + (paced.state = 'running')::int, worker = $2,
    started_at = clock_timestamp(), modified_at = clock_timestamp()
FROM paced JOIN task AS whole USING (id) JOIN account ON account.id = whole.account_id
WHERE task.id = paced.id AND NOT EXISTS (SELECT FROM early WHERE early.id = paced.id)
RETURNING task.id, task.account_id, account.name AS account, task.kind, task.api,
    task.state::text, task.input, task.request, task.attempt, task.failures, task.losses, task.created_at,
    task.modified_at, task.started_at, task.deadline_s, task.status_code, task.failure_code,
    task.failure_message, task.result_address, task.result_expired, task.listed, task.lane,
    task.priority, task.delivery, task.parent_id, task.group_id, NULL::timestamptz AS retry_at,
    paced.gap_s,
    greatest(extract(epoch FROM paced.not_before - clock_timestamp()), 0)::double precision AS wait_s;

-- name: settle
-- A durable commit of nothing: all that was committed before is on the disk with it.
SELECT pg_logical_emit_message(true, 'windlass', '');

-- name: apply_outcomes
-- Ends, parks or sends back the attempts that are still the task's newest; late ones are dropped
-- whole. "running" parks: the task is done, and its upload will end it. Uploads are locked first,
-- as a cancel does. One that waits may have been sent back by this very outcome, in a transaction
-- whose answer was lost.
WITH outcome AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::int[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
        $8::double precision[], $9::boolean[]
    ) AS o (id, attempt, state, status_code, code, message, result_address, retry_in_s, counts)
), mine AS (
    SELECT task.id, task.worker, task.started_at FROM task JOIN outcome USING (id)
    WHERE task.attempt = outcome.attempt AND (
        task.state = 'running'
        OR task.state IN ('waiting', 'admitted') AND NOT EXISTS (
            SELECT 1 FROM attempt WHERE task_id = task.id AND number = task.attempt
        )
    )
    ORDER BY task.kind <> 'upload', task.id FOR UPDATE OF task
), unsuccessful AS (
    INSERT INTO attempt (
        task_id, number, worker, started_at, finished_at, outcome, code, message
    )
    SELECT id, outcome.attempt, mine.worker, mine.started_at, now(),
        CASE WHEN NOT counts THEN 'released' WHEN state = 'queued' THEN 'retried' ELSE state END,
        code, message
    FROM mine JOIN outcome USING (id) WHERE state NOT IN ('succeeded', 'running')
    ON CONFLICT DO NOTHING
)
UPDATE task SET
    state = CASE
        WHEN outcome.state = 'running' THEN 'delivering'
        WHEN outcome.state <> 'queued' THEN outcome.state
        WHEN outcome.retry_in_s > 0 THEN 'delayed'
        ELSE 'waiting'
    END::task_state,
    failures = failures + (outcome.state = 'queued' AND outcome.counts)::int,
    losses = CASE WHEN outcome.state = 'queued' AND outcome.counts THEN 0 ELSE losses END,
    run_at = CASE WHEN outcome.state = 'queued' OR outcome.retry_in_s > 0
        THEN now() + make_interval(secs => outcome.retry_in_s) ELSE run_at END,
    modified_at = clock_timestamp(),
    finished_at = CASE WHEN outcome.state NOT IN ('queued', 'running') THEN clock_timestamp() END,
    status_code = outcome.status_code,
    failure_code = CASE WHEN outcome.state <> 'queued' THEN outcome.code END,
    failure_message = CASE WHEN outcome.state <> 'queued' THEN outcome.message END,
    result_address = outcome.result_address
FROM mine JOIN outcome USING (id)
WHERE task.id = mine.id
RETURNING task.id, task.lane, task.kind, task.priority, outcome.state,
    coalesce(outcome.code, '') AS code,
    extract(epoch FROM clock_timestamp() - task.started_at)::double precision AS seconds, (
        SELECT NOT proven OR recent IS NOT NULL OR open_until IS NOT NULL OR strain > 0
            OR failing_since IS NOT NULL
        FROM lane WHERE key = task.lane
    ) AS troubled;

-- name: record_sights
-- Keeps what attempts to deliver saw; apply_outcomes has made the rows of the unsuccessful ones.
INSERT INTO attempt (
    task_id, number, worker, started_at, finished_at, outcome, status_code, duration_ms, answer,
    next_at
)
SELECT task.id, sight.number, task.worker, task.started_at, now(), 'succeeded',
    sight.status_code, sight.duration_ms, sight.answer,
    CASE WHEN sight.again THEN task.run_at END
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::text[], $6::boolean[])
    AS sight (id, number, status_code, duration_ms, answer, again)
JOIN task USING (id)
ON CONFLICT (task_id, number) DO UPDATE SET status_code = excluded.status_code,
    duration_ms = excluded.duration_ms, answer = excluded.answer, next_at = excluded.next_at;

-- name: end_parents
-- Ends the tasks whose uploads have ended, unless they were cancelled meanwhile. A success leaves
-- modified_at alone: the object in the bucket says what /results says.
WITH ended AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) AS e (id, code, message)
), mine AS (
    SELECT task.id FROM task JOIN ended USING (id)
    WHERE task.state = 'delivering' ORDER BY task.id FOR UPDATE OF task
)
UPDATE task SET
    state = CASE WHEN ended.code IS NULL THEN 'succeeded' ELSE 'failed' END::task_state,
    modified_at = CASE WHEN ended.code IS NULL THEN modified_at ELSE clock_timestamp() END,
    finished_at = clock_timestamp(), failure_code = ended.code, failure_message = ended.message
FROM mine JOIN ended USING (id)
WHERE task.id = mine.id
RETURNING task.id, task.account_id, task.kind, task.api, task.delivery, task.state::text,
    task.priority, coalesce(ended.code, '') AS code,
    extract(epoch FROM clock_timestamp() - task.started_at)::double precision AS seconds;

-- name: add_tallies
-- Adds finished tasks to the counters, in key order so that two workers cannot deadlock, and takes the
-- rows of the queue that led to it ($6) out of that.
WITH completed AS (
    DELETE FROM pgqueuer WHERE id = ANY($6::bigint[])
)
INSERT INTO tally (kind, outcome, code, count, seconds)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::double precision[])
    AS new (kind, outcome, code, count, seconds)
ORDER BY kind, outcome, code
ON CONFLICT (kind, outcome, code)
DO UPDATE SET count = tally.count + excluded.count, seconds = tally.seconds + excluded.seconds;

-- name: get_task
-- One task of one account.
SELECT * FROM stored_task WHERE id = $1 AND account_id = $2;

-- name: get_parents
-- Tasks that deliveries belong to, whoever owns them.
SELECT * FROM stored_task WHERE id = ANY($1::uuid[]);

-- name: latest_attempt
-- A task's latest attempt that failed for a reason.
SELECT number FROM attempt WHERE task_id = $1 AND code = $2 ORDER BY number DESC LIMIT 1;

-- name: list_tasks
-- Listed tasks of one account before a position, newest first.
SELECT * FROM stored_task
WHERE account_id = $1 AND listed AND (created_at, id) < ($2::timestamptz, $3::uuid)
ORDER BY created_at DESC, id DESC LIMIT $4;

-- name: count_tasks
-- How many listed tasks an account has.
SELECT count(*) FROM task WHERE account_id = $1 AND listed;

-- name: cancelled_tasks
-- Of these tasks, those that have been cancelled.
SELECT id FROM task WHERE id = ANY($1::uuid[]) AND state = 'cancelled';

-- name: lock_uploads
-- Uploads under way of these tasks, locked before the tasks themselves: they end in that order, too.
SELECT id FROM task
WHERE parent_id = ANY($1::uuid[]) AND account_id = $2 AND kind = 'upload' AND finished_at IS NULL
ORDER BY id FOR UPDATE;

-- name: cancel_tasks
-- Ends those of the tasks that have not ended.
WITH mine AS (
    SELECT id FROM task
    WHERE id = ANY($1::uuid[]) AND account_id = $2 AND kind NOT IN ('upload', 'webhook')
        AND state IN ('delayed', 'waiting', 'admitted', 'running', 'delivering')
    ORDER BY id FOR UPDATE
)
UPDATE task SET state = 'cancelled', modified_at = now(), finished_at = now(),
    failure_code = 'canceled', failure_message = 'canceled'
FROM mine WHERE task.id = mine.id
RETURNING task.id, task.account_id, task.kind, task.api, task.delivery, task.priority,
    task.state::text, task.failure_code AS code, 0::double precision AS seconds;

-- name: cancel_uploads
-- Ends the uploads of cancelled tasks.
UPDATE task SET state = 'cancelled', modified_at = now(), finished_at = now(),
    failure_code = 'canceled', failure_message = 'canceled'
WHERE parent_id = ANY($1::uuid[]) AND kind = 'upload' AND finished_at IS NULL
RETURNING id, kind, priority, state::text, failure_code AS code, 0::double precision AS seconds;

-- name: insert_group
-- A group; its tasks follow in the same transaction.
INSERT INTO task_group (id, account_id, kind, input, members, created_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (id) DO NOTHING;

-- name: get_group
-- One group of one account.
SELECT * FROM stored_group WHERE id = $1 AND account_id = $2 AND kind = $3;

-- name: list_groups
-- Groups of one account and kind before a position, newest first: at most $5, and no more than
-- have $6 tasks together but for the last. found: how many there would be without that. When they
-- ended is left out: that means looking at all of their tasks.
WITH newest AS (
    SELECT id, created_at, cardinality(members) AS size FROM task_group
    WHERE account_id = $1 AND kind = $2 AND (created_at, id) < ($3::timestamptz, $4::uuid)
    ORDER BY created_at DESC, id DESC LIMIT $5
), page AS (
    SELECT id, count(*) OVER () AS found,
        sum(size) OVER (ORDER BY created_at DESC, id DESC) - size AS before
    FROM newest
)
SELECT id, account_id, account, kind, members, created_at, cancelled, ended,
    NULL::timestamptz AS finished_at, found
FROM page JOIN stored_group USING (id)
WHERE before < $6
ORDER BY created_at DESC, id DESC;

-- name: count_groups
-- How many groups of a kind an account has.
SELECT count(*) FROM task_group WHERE account_id = $1 AND kind = $2;

-- name: get_members
-- Those of some members of a group that are still there.
SELECT * FROM stored_task WHERE id = ANY($1::uuid[]) AND group_id = $2 AND account_id = $3;

-- name: cancel_group
-- Marks a group as cancelled; its tasks end in slices.
UPDATE task_group SET cancelled_at = coalesce(cancelled_at, now())
WHERE id = $1 AND account_id = $2 AND kind = $3 RETURNING id;

-- name: unfinished_members
-- A slice of a group's tasks that have not ended.
SELECT id FROM task WHERE group_id = $1 AND finished_at IS NULL LIMIT $2;

-- name: purge_groups
-- Groups whose tasks are all gone, a slice per call.
DELETE FROM task_group WHERE id IN (
    SELECT id FROM task_group
    WHERE created_at < now() - make_interval(secs => $1)
        AND NOT EXISTS (SELECT 1 FROM task WHERE task.group_id = task_group.id)
    LIMIT $2
) RETURNING id;

-- name: claim_key
-- Takes a caller's key for what is being made; no row: it was taken before.
INSERT INTO idempotency_key (account_id, key, digest, made) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING made;

-- name: find_made
-- What was made with a key, and the digest of what was asked then.
SELECT made, digest FROM idempotency_key WHERE account_id = $1 AND key = $2;

-- name: purge_keys
-- Keys past their time.
DELETE FROM idempotency_key WHERE created_at < now() - make_interval(secs => $1);

-- name: list_deliveries
-- Deliveries of one account before a position, newest first, with the names of the caller's headers,
-- the latest failure and the endpoint's breaker; null fits all, $10 says that they are under way.
-- Planned anew each time (deliveries.py), so that a filter finds its index.
SELECT task.id, parent_id, kind, state::text, request ->> 'url' AS url,
    ARRAY(SELECT json_object_keys(request -> 'headers')) AS header_names, attempt, created_at,
    modified_at, task.finished_at, task.status_code,
    coalesce(failure_code, latest.code) AS failure_code,
    CASE WHEN failure_code IS NULL THEN latest.message ELSE failure_message END AS failure_message,
    CASE
        WHEN state IN ('delayed', 'waiting') THEN greatest(run_at, lane.open_until)
        WHEN state = 'admitted' THEN run_at
    END AS next_attempt_at,
    state IN ('delayed', 'waiting') AND greatest(run_at, now()) < lane.open_until AS postponed,
    lane.open_until > now() AS open, lane.open_until, coalesce(lane.streak, 0) AS streak
FROM task LEFT JOIN lane ON lane.key = task.lane
LEFT JOIN LATERAL (
    SELECT code, message FROM attempt WHERE task_id = task.id ORDER BY number DESC LIMIT 1
) AS latest ON true
WHERE account_id = $1 AND kind IN ('upload', 'webhook')
    AND (created_at, task.id) < ($2::timestamptz, $3::uuid)
    AND ($5::uuid IS NULL OR task.id = $5)
    AND ($6::uuid IS NULL OR parent_id = $6)
    AND ($7::task_state[] IS NULL OR state = ANY($7))
    AND ($8::text IS NULL OR kind = $8)
    AND ($9::text IS NULL OR starts_with(request ->> 'url', $9))
    AND (NOT $10::boolean OR tried_since IS NOT NULL AND task.finished_at IS NULL)
ORDER BY created_at DESC, task.id DESC LIMIT $4;

-- name: count_deliveries
-- How many there are in the whole list, counted up to a limit.
SELECT count(*) FROM (
    SELECT FROM task WHERE account_id = $1 AND kind IN ('upload', 'webhook')
        AND ($3::uuid IS NULL OR parent_id = $3)
        AND ($4::task_state[] IS NULL OR state = ANY($4))
        AND ($5::text IS NULL OR kind = $5)
        AND ($6::text IS NULL OR starts_with(request ->> 'url', $6))
        AND (NOT $7::boolean OR tried_since IS NOT NULL AND finished_at IS NULL)
    LIMIT $2
) AS counted;

-- name: get_attempts
-- The attempts of a task, oldest first: the latest so many of them.
SELECT * FROM (
    SELECT number, started_at, finished_at, outcome, code, message, status_code, duration_ms,
        answer, next_at
    FROM attempt WHERE task_id = $1 ORDER BY number DESC LIMIT $2
) AS latest
ORDER BY number;

-- name: lock_delivery
-- One delivery, to be sent again.
SELECT id, state::text FROM task
WHERE id = $1 AND account_id = $2 AND kind IN ('upload', 'webhook')
FOR UPDATE;

-- name: lock_ended_deliveries
-- A slice of the deliveries that ended so within a time, after a position, oldest first. Planned
-- anew each time, like the list.
SELECT id, created_at FROM task
WHERE account_id = $1 AND kind IN ('upload', 'webhook') AND state = ANY($2::task_state[])
    AND finished_at >= $3 AND finished_at < $4
    AND (created_at, id) > ($5::timestamptz, $6::uuid)
    AND ($8::uuid IS NULL OR parent_id = $8)
    AND ($9::text IS NULL OR kind = $9)
    AND ($10::text IS NULL OR starts_with(request ->> 'url', $10))
ORDER BY created_at, id LIMIT $7
FOR UPDATE SKIP LOCKED;

-- name: send_again
-- Lets ended deliveries start again, with all their tries and time before them. Attempts keep their
-- numbers, and receivers know the delivery by its id.
UPDATE task SET state = 'waiting', failures = 0, losses = 0, run_at = now(), tried_since = now(),
    modified_at = now(), finished_at = NULL, result_expired = false, status_code = NULL,
    failure_code = NULL, failure_message = NULL
WHERE id = ANY($1::uuid[])
RETURNING lane;

-- name: get_session
-- The cookies of a session that is still alive.
SELECT cookies FROM session WHERE account_id = $1 AND id = $2 AND expires_at > now();

-- name: save_sessions
-- Keeps the cookies of sessions and prolongs them.
INSERT INTO session (account_id, id, cookies, expires_at)
SELECT account_id, id, cookies, now() + make_interval(secs => timeout_s)
FROM unnest($1::int[], $2::text[], $3::json[], $4::double precision[])
    AS new (account_id, id, cookies, timeout_s)
ORDER BY account_id, id
ON CONFLICT (account_id, id)
DO UPDATE SET cookies = excluded.cookies, expires_at = excluded.expires_at;

-- name: beat
-- A worker says it is alive.
INSERT INTO worker (id, slots, delivery_slots, seen_at) VALUES ($1, $2, $3, now())
ON CONFLICT (id) DO UPDATE SET slots = excluded.slots,
    delivery_slots = excluded.delivery_slots, seen_at = now();

-- name: forget_worker
-- A worker has ended.
DELETE FROM worker WHERE id = $1;

-- name: forget_silent_workers
-- Workers that have not been heard of for long.
DELETE FROM worker WHERE seen_at < now() - interval '1 minute';

-- name: release_picked
-- The queue rows that a dead worker held may be taken at once, without waiting for its lease.
WITH released AS (
    UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL, updated = now()
    WHERE queue_manager_id = $1 AND status = 'picked' RETURNING id
)
SELECT pg_notify('windlass_queue', 'waiting') WHERE EXISTS (SELECT FROM released);

-- name: release_all_picked
-- The same for every worker: right after our own PostgreSQL has started none can be alive.
UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL, updated = now()
WHERE status = 'picked';

-- name: expire_results
-- Results past their time, a slice per call.
WITH old AS (
    SELECT id FROM task
    WHERE finished_at IS NOT NULL AND NOT result_expired
        AND finished_at < now() - make_interval(secs => $1)
    ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE task SET result_expired = true FROM old WHERE task.id = old.id
RETURNING task.id;

-- name: oldest_parked
-- Since when the task that has waited longest for its upload does so.
SELECT min(modified_at) AS since FROM task WHERE state = 'delivering';

-- name: purge_tasks
-- Tasks long past their time, a slice per call; not before their news has been delivered.
WITH old AS (
    SELECT id FROM task
    WHERE finished_at < now() - make_interval(secs => $1) AND result_expired
        AND NOT EXISTS (
            SELECT 1 FROM task AS child
            WHERE child.parent_id = task.id AND child.finished_at IS NULL
        )
    ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM task USING old WHERE task.id = old.id RETURNING task.id;

-- name: expire_waiting
-- Tasks that were never started in time fail, a slice per call. The orders are those of indexes that
-- hold such tasks only.
WITH waiting AS (
    SELECT id FROM task
    WHERE state = 'waiting' AND attempt = 0 AND tried_since IS NULL
        AND created_at < now() - make_interval(secs => $1)
    ORDER BY lane, account_id, priority, run_at LIMIT $2 FOR UPDATE SKIP LOCKED
), delayed AS (
    SELECT id FROM task
    WHERE state = 'delayed' AND attempt = 0 AND tried_since IS NULL
        AND created_at < now() - make_interval(secs => $1)
    ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED
), old AS (
    SELECT id FROM waiting UNION ALL SELECT id FROM delayed
)
UPDATE task SET state = 'failed', modified_at = now(), finished_at = now(),
    failure_code = $3, failure_message = $4
FROM old WHERE task.id = old.id
RETURNING task.id, task.account_id, task.kind, task.api, task.delivery, task.priority,
    task.state::text, task.failure_code AS code, 0::double precision AS seconds;

-- name: expire_deliveries
-- Deliveries that no receiver took in time fail, a slice per call.
WITH old AS (
    SELECT id FROM task
    WHERE tried_since < now() - make_interval(secs => $1) AND finished_at IS NULL
        AND state IN ('waiting', 'delayed')
    ORDER BY tried_since LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE task SET state = 'failed', modified_at = now(), finished_at = now(),
    failure_code = $3, failure_message = $4
FROM old WHERE task.id = old.id
RETURNING task.id, task.kind, task.priority, task.parent_id, task.state::text,
    task.failure_code AS code, 0::double precision AS seconds;

-- name: purge_sessions
-- Sessions past their time; one that is being prolonged is passed over.
WITH old AS (
    SELECT account_id, id FROM session WHERE expires_at < now() FOR UPDATE SKIP LOCKED
)
DELETE FROM session USING old WHERE session.account_id = old.account_id AND session.id = old.id;

-- name: purge_idle_lanes
-- Lanes that nothing has used lately; they come back when needed. A circuit breaker is kept while it
-- is open, and while anything is to be tried again. Those in use are passed over: waiting for them
-- in another order than arm_lanes would be a deadlock.
WITH idle AS (
    SELECT key FROM lane WHERE next_at = 'infinity'
        AND (greatest(open_until, quiet_until, turn_at, strained_at + interval '10 minutes') < now())
            IS NOT FALSE
        AND NOT EXISTS (SELECT 1 FROM task WHERE lane = key AND state = 'waiting')
        AND NOT EXISTS (SELECT 1 FROM task WHERE lane = key AND state IN ('admitted', 'running'))
        AND NOT EXISTS (SELECT 1 FROM task WHERE lane = key AND state = 'delayed')
    FOR UPDATE SKIP LOCKED
)
DELETE FROM lane USING idle WHERE lane.key = idle.key;

-- name: queue_depths
-- How many tasks of each kind are in each unfinished state and how long the oldest has waited.
-- Spelled out so that the ended ones are not looked at: an index for each.
SELECT kind, state::text, count(*) AS count,
    coalesce(extract(epoch FROM now() - min(created_at)), 0)::double precision AS oldest_s
FROM task
WHERE state = 'delayed' OR state = 'waiting' OR state IN ('admitted', 'running')
    OR state = 'delivering'
GROUP BY kind, state;

-- name: open_circuits
-- Webhook endpoints that are left alone but for a probe now and then.
SELECT count(*) FROM lane WHERE open_until IS NOT NULL AND pool = 'delivery';

-- name: read_tallies
-- The counters of finished tasks.
SELECT kind, outcome, code, count, seconds FROM tally;

-- name: living_workers
-- Workers heard of lately.
SELECT count(*) AS workers, coalesce(sum(slots), 0) AS slots
FROM worker WHERE seen_at > now() - interval '15 seconds';

-- name: read_rendered_site
-- Whether a site is known to need a browser: one row if it is.
SELECT site FROM rendered_site WHERE site = $1 AND expires_at > now();

-- name: save_rendered_site
-- Notes for a day that a site needs a browser.
INSERT INTO rendered_site (site, expires_at) VALUES ($1, now() + interval '1 day')
ON CONFLICT (site) DO UPDATE SET expires_at = excluded.expires_at;

-- name: purge_rendered_sites
-- Forgets what was seen a day ago, and the oldest beyond 100,000.
DELETE FROM rendered_site
WHERE expires_at <= now() OR expires_at <= (
    SELECT expires_at FROM rendered_site ORDER BY expires_at DESC OFFSET 100000 LIMIT 1
);
