-- The statements about what hosts and endpoints can take, by name. One line says what it means.

-- name: troubled_lanes
-- Lanes with what their circuit breakers and their strain remember, locked.
SELECT key, pool, proven, streak, recent, open_until, probe_s, failing_since, given_up, strain,
    strained_at, eased_at, concurrency, clock_timestamp() AS now
FROM lane WHERE key = ANY($1::text[])
ORDER BY key FOR UPDATE;

-- name: move_lanes
-- Keeps what lanes have become. Nothing starts in one that is open or asked for quiet.
UPDATE lane SET proven = new.proven, streak = new.streak, recent = new.recent,
    open_until = new.open_until, probe_s = new.probe_s, failing_since = new.failing_since,
    given_up = new.given_up, strain = new.strain, strained_at = new.strained_at,
    eased_at = new.eased_at,
    quiet_until = CASE
        WHEN quiet_s > 0
            THEN greatest(lane.quiet_until, clock_timestamp() + make_interval(secs => quiet_s))
        WHEN lane.quiet_until > now() THEN lane.quiet_until
    END,
    next_at = CASE
        WHEN lane.next_at = 'infinity' THEN lane.next_at
        -- A wish's end a little before: what is admitted then starts in time.
        WHEN new.open_until IS NOT NULL OR quiet_s > 0 THEN greatest(
            new.open_until,
            greatest(lane.quiet_until, clock_timestamp() + make_interval(secs => quiet_s))
            - interval '100 milliseconds'
        )
        WHEN lane.gap_s > 0 THEN lane.next_at
        ELSE least(lane.next_at, greatest(now(), lane.quiet_until))
    END
FROM unnest(
    $1::text[], $2::boolean[], $3::int[], $4::json[], $5::timestamptz[], $6::real[],
    $7::timestamptz[], $8::text[], $9::double precision[], $10::timestamptz[], $11::timestamptz[],
    $12::double precision[]
) AS new (
    key, proven, streak, recent, open_until, probe_s, failing_since, given_up, strain, strained_at,
    eased_at, quiet_s
)
WHERE lane.key = new.key;

-- name: closed_lanes
-- Hosts that are left alone for now, for how long, why, and whether everything that waits for them
-- is to fail: they are given up, or asked for more time than we wait. Certain lanes; all for null.
SELECT key, extract(epoch FROM closed.until - now())::double precision AS left_s,
    CASE WHEN given_up IS NOT NULL THEN given_up
        WHEN quiet_until > now() THEN $3 ELSE $4 END AS code,
    given_up IS NOT NULL OR quiet_until > now() + make_interval(secs => $2) AS for_all
FROM lane CROSS JOIN LATERAL (SELECT greatest(open_until, quiet_until) AS until) AS closed
WHERE (open_until IS NOT NULL OR quiet_until IS NOT NULL)
    AND closed.until > now() AND pool = 'task'
    AND ($1::text[] IS NULL OR key = ANY($1));

-- name: turn_away
-- Fails what waits in a closed lane, a slice per call; only what somebody waits for, unless $2.
WITH mine AS (
    SELECT id FROM task WHERE lane = $1 AND state = 'waiting' AND ($2 OR priority = 0)
    LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE task SET state = 'failed', modified_at = now(), finished_at = clock_timestamp(),
    run_at = clock_timestamp() + make_interval(secs => $4), failure_code = $5, failure_message = $6
FROM mine WHERE task.id = mine.id
RETURNING task.id, task.account_id, task.kind, task.api, task.delivery, task.priority,
    task.state::text, task.failure_code AS code, 0::double precision AS seconds;

-- name: take_turn
-- Takes the turn to fetch in a lane if it has come; otherwise in how many seconds it may.
WITH mine AS (
    SELECT key, greatest(extract(epoch FROM turn_at - clock_timestamp()), 0)::double precision
        AS wait_s
    FROM lane WHERE key = $1 FOR UPDATE
), taken AS (
    UPDATE lane SET turn_at = clock_timestamp() + make_interval(secs => gap_s * $2),
        next_at = CASE WHEN next_at = 'infinity' THEN next_at
            ELSE greatest(next_at, clock_timestamp() + make_interval(secs => gap_s * $2)) END
    FROM mine WHERE lane.key = mine.key AND mine.wait_s = 0
)
SELECT wait_s FROM mine;

-- name: prolong_turn
-- A fetch started later than its turn was taken: the next is counted from now.
UPDATE lane SET turn_at = clock_timestamp() + make_interval(secs => gap_s * $2),
    next_at = CASE WHEN next_at = 'infinity' THEN next_at
        ELSE greatest(next_at, clock_timestamp() + make_interval(secs => gap_s * $2)) END
WHERE key = $1;

-- name: newcomers
-- Heads of the accounts that have less under way than their share of the slots, where more than one
-- account waits, or only one and another has something under way: at most $1 of each.
WITH RECURSIVE sharer AS (
    (SELECT account_id FROM task WHERE state = 'waiting' ORDER BY account_id LIMIT 1)
    UNION ALL
    (SELECT (SELECT task.account_id FROM task
             WHERE state = 'waiting' AND task.account_id > sharer.account_id
             ORDER BY task.account_id LIMIT 1)
     FROM sharer WHERE sharer.account_id IS NOT NULL)
), sharing AS (
    SELECT count(account_id) + CASE WHEN count(account_id) = 1 AND EXISTS (
        SELECT FROM task
        WHERE state IN ('admitted', 'running') AND kind NOT IN ('upload', 'webhook')
            AND account_id <> (SELECT min(account_id) FROM sharer)
    ) THEN 1 ELSE 0 END AS accounts
    FROM sharer
), share AS (
    SELECT (SELECT coalesce(sum(slots), 0) FROM worker
            WHERE seen_at > now() - interval '15 seconds') / greatest(accounts, 1) AS slots,
        accounts
    FROM sharing
), behind AS (
    SELECT sharer.account_id, greatest(share.slots, 1) - (
        SELECT count(*) FROM task
        WHERE account_id = sharer.account_id AND state IN ('admitted', 'running')
            AND kind NOT IN ('upload', 'webhook')
    ) AS room
    FROM sharer, share WHERE share.accounts > 1 AND sharer.account_id IS NOT NULL
)
SELECT head.lane, behind.account_id, behind.room
FROM behind CROSS JOIN LATERAL (
    SELECT DISTINCT lane FROM (
        SELECT lane FROM task
        WHERE account_id = behind.account_id AND state = 'waiting'
            AND kind NOT IN ('upload', 'webhook')
        ORDER BY priority, run_at LIMIT $1
    ) AS first
) AS head
WHERE behind.room > 0;
