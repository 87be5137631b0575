-- The statements of crawls, by name. One line says what it means.

-- name: insert_crawl
-- A crawl; its first page and task follow in the same transaction.
INSERT INTO task_group (
    id, account_id, kind, input, members, created_at, name, options, delivery, state, updated_at
)
VALUES ($1, $2, 'crawl', $3, '{}', now(), $4, $5, $6, 'queued', now())
ON CONFLICT (id) DO NOTHING;

-- name: get_crawl
-- One crawl of one account; of any if that is null.
SELECT * FROM stored_crawl WHERE id = $1 AND ($2::int IS NULL OR account_id = $2);

-- name: list_crawls
-- Crawls of one account before a position, newest first, perhaps of one state only.
WITH newest AS (
    SELECT id FROM task_group
    WHERE account_id = $1 AND kind = 'crawl' AND (created_at, id) < ($2::timestamptz, $3::uuid)
        AND ($5::text IS NULL OR state = $5)
    ORDER BY created_at DESC, id DESC LIMIT $4
)
SELECT stored_crawl.* FROM newest JOIN stored_crawl USING (id) ORDER BY created_at DESC, id DESC;

-- name: count_crawls
-- How many crawls an account has, perhaps of one state only.
SELECT count(*) FROM task_group
WHERE account_id = $1 AND kind = 'crawl' AND ($2::text IS NULL OR state = $2);

-- name: crawl_pages
-- Pages of a crawl in the order in which they were found, after a position.
SELECT page.seq, page.task_id, page.url, page.depth, page.found_on, task.state::text,
    task.created_at, task.modified_at, task.finished_at, task.status_code, task.failure_code,
    task.failure_message,
    CASE WHEN page.digest IS NOT NULL THEN (
        SELECT first.task_id FROM page AS first
        WHERE first.group_id = page.group_id AND first.likeness = page.likeness
            AND first.digest = page.digest AND first.seq < page.seq AND first.state = 'fetched'
        ORDER BY first.seq LIMIT 1
    ) END AS copy_of,
    CASE WHEN page.state = 'fetched' AND page.alias_of IS NOT NULL THEN (
        SELECT named.url FROM page AS named
        WHERE named.group_id = page.group_id AND named.key = page.alias_of
    ) END AS unlike
FROM page JOIN task ON task.id = page.task_id
WHERE page.group_id = $1 AND page.state IN ('admitted', 'fetched') AND page.seq > $2
ORDER BY page.seq LIMIT $3;

-- name: crawl_page
-- The page that a task of a crawl fetches.
SELECT page.depth, page.found_on, page.state FROM page WHERE task_id = $1;

-- name: crawl_left_out
-- How many URLs of a crawl are no pages, by the reason.
SELECT state, count(*) AS count FROM page
WHERE group_id = $1 AND state NOT IN ('admitted', 'fetched') GROUP BY state;

-- name: crawl_stopped
-- Families that URLs were refused for, most refusals first.
SELECT name, standing FROM family WHERE group_id = $1 AND refused > 0
ORDER BY refused DESC, name LIMIT $2;

-- name: crawl_waiting_for
-- What a crawl waits for, and why: running tasks first, those that began first among them.
SELECT page.url, CASE
        WHEN task.state = 'running' THEN 'fetching'
        WHEN task.state = 'delivering' THEN 'storing'
        WHEN closed.until > now() AND lane.quiet_until > now() THEN 'host_busy'
        WHEN closed.until > now() THEN 'host_down'
        WHEN task.failures > 0 THEN 'trying_again'
        ELSE 'queued'
    END AS reason,
    CASE WHEN task.state IN ('delayed', 'waiting')
        AND greatest(closed.until, task.run_at) > now()
        THEN greatest(closed.until, task.run_at) END AS until
FROM (
    -- Only a few are told: what they wait for is looked up for these alone.
    SELECT id, state, failures, run_at, started_at, lane FROM task
    WHERE group_id = $1 AND finished_at IS NULL AND kind = 'crawl_page'
    ORDER BY state <> 'running', started_at, run_at LIMIT $2
) AS task JOIN page ON page.task_id = task.id LEFT JOIN lane ON lane.key = task.lane
CROSS JOIN LATERAL (SELECT greatest(lane.open_until, lane.quiet_until) AS until) AS closed
ORDER BY task.state <> 'running', task.started_at, task.run_at;

-- name: begin_crawl
-- The first page is taken.
UPDATE task_group SET state = 'running', updated_at = now()
WHERE id = $1 AND state = 'queued' RETURNING account_id, delivery;

-- name: cancel_crawl
-- Ends a crawl that has not ended; its tasks end in slices.
UPDATE task_group SET
    state = CASE WHEN state IN ('queued', 'running') THEN 'cancelled' ELSE state END,
    cancelled_at = CASE WHEN state IN ('queued', 'running') THEN now() ELSE cancelled_at END,
    updated_at = CASE WHEN state IN ('queued', 'running') THEN now() ELSE updated_at END,
    finished_at = coalesce(finished_at, now())
WHERE id = $1 AND account_id = $2 AND kind = 'crawl' RETURNING state;

-- name: unfinished_crawl_tasks
-- A slice of a crawl's tasks that have not ended.
SELECT id FROM task
WHERE group_id = $1 AND finished_at IS NULL AND kind IN ('crawl_page', 'crawl_sitemaps')
LIMIT $2;

-- name: lock_crawls
-- Crawls whose tasks end; before the tasks themselves, by everybody who locks both.
SELECT id, account_id, state, options, delivery, taken FROM task_group
WHERE id = ANY($1::uuid[]) AND kind = 'crawl' ORDER BY id FOR NO KEY UPDATE;

-- name: lost_pages
-- Pages whose tasks have ended without saying so to their crawl.
SELECT page.task_id, page.key, page.url, page.depth, page.turn, page.lineage, page.listed
FROM page LEFT JOIN task ON task.id = page.task_id
WHERE page.group_id = $1 AND page.state = 'admitted' AND page.alias_of IS NULL
    AND (task.id IS NULL OR task.finished_at IS NOT NULL);

-- name: look_around
-- Where a crawl stands but for some tasks and their pages: the lowest turn under way, and whether
-- URLs wait for anything, for these families or a turn that has come, for room, or for these pages,
-- which they name as canonical. With it, a row each, what it knows of some URLs, families and texts.
WITH under_way AS MATERIALIZED (
    SELECT min(turn) AS turn FROM page
    WHERE group_id = $1 AND state = 'admitted' AND alias_of IS NULL
        AND NOT task_id = ANY($2::uuid[])
), standing AS MATERIALIZED (
    SELECT turn,
    EXISTS (SELECT FROM page WHERE group_id = $1 AND state = 'held') AS held,
    EXISTS (
        SELECT FROM page WHERE group_id = $1 AND state = 'held' AND held_by = ANY($5::text[])
    ) OR EXISTS (
        SELECT FROM page
        WHERE group_id = $1 AND state = 'held' AND held_by = ''
            AND (page.turn <= under_way.turn) IS NOT FALSE
    ) AS due,
    EXISTS (SELECT FROM page WHERE group_id = $1 AND state = 'beyond') AS beyond,
    EXISTS (
        SELECT FROM page
        WHERE group_id = $1 AND state = 'admitted' AND alias_of = ANY($3::bytea[])
    ) AS waited_for
    FROM under_way
), known AS (
    SELECT key, state, alias_of, NULL::text AS family, NULL::bytea AS shown,
        NULL::bigint AS likeness, NULL::bytea AS digest
    FROM page WHERE group_id = $1 AND key = ANY($4::bytea[])
    UNION ALL
    SELECT NULL, NULL, NULL, name, standing, NULL, NULL
    FROM family WHERE group_id = $1 AND name = ANY($5::text[])
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, text.likeness, copy.digest
    FROM unnest($6::bigint[], $7::bytea[]) AS text (likeness, digest)
    -- The limits keep it a look into the index for each: joined, all pages would be read.
    CROSS JOIN LATERAL (
        SELECT FROM page
        WHERE group_id = $1 AND page.likeness = text.likeness AND state = 'fetched' LIMIT 1
    ) AS twin
    LEFT JOIN LATERAL (
        SELECT page.digest FROM page
        WHERE group_id = $1 AND page.likeness = text.likeness AND page.digest = text.digest
            AND state = 'fetched' LIMIT 1
    ) AS copy ON true
)
SELECT standing.turn, held, due, beyond, waited_for, known.* FROM standing LEFT JOIN known ON true;

-- name: page_sketches
-- What is remembered of the texts of some pages.
SELECT key, sketch FROM page
WHERE group_id = $1 AND key = ANY($2::bytea[]) AND sketch IS NOT NULL;

-- name: waiting_pages
-- Pages that wait for one of these, which they name as canonical; for any if there are none.
SELECT task_id, key, alias_of, digest, likeness, sketch FROM page
WHERE group_id = $1 AND state = 'admitted' AND alias_of IS NOT NULL
    AND ($2::bytea[] IS NULL OR alias_of = ANY($2)) ORDER BY seq;

-- name: read_families
-- What families of a crawl have shown.
SELECT name, standing FROM family WHERE group_id = $1 AND name = ANY($2::text[]);

-- name: end_pages
-- What fetched pages turned out to be.
UPDATE page SET state = new.state, alias_of = new.alias_of, digest = new.digest,
    likeness = new.likeness, sketch = new.sketch
FROM unnest($2::bytea[], $3::text[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bytea[])
    AS new (key, state, alias_of, digest, likeness, sketch)
WHERE page.group_id = $1 AND page.key = new.key;

-- name: add_pages
-- URLs that a crawl has not heard of before. A known one that was never fetched may become an alias.
INSERT INTO page (
    group_id, key, url, state, depth, turn, lineage, listed, held_by, task_id, found_on, alias_of
)
SELECT $1, key, url, state, depth, turn, lineage, listed, held_by, task_id, found_on, alias_of
FROM unnest(
    $2::bytea[], $3::text[], $4::text[], $5::smallint[], $6::smallint[], $7::int[], $8::boolean[],
    $9::text[], $10::uuid[], $11::uuid[], $12::bytea[]
) WITH ORDINALITY AS new (
    key, url, state, depth, turn, lineage, listed, held_by, task_id, found_on, alias_of, place
)
ORDER BY place
ON CONFLICT (group_id, key) DO UPDATE SET state = excluded.state, alias_of = excluded.alias_of,
    held_by = NULL
WHERE excluded.state = 'alias' AND page.task_id IS NULL;

-- name: held_pages
-- A slice of the URLs that wait for certain families, or for a turn that has come; for anything if
-- there are no families.
SELECT key, url, depth, turn, lineage, listed FROM page
WHERE group_id = $1 AND state = 'held'
    AND ($2::text[] IS NULL OR (held_by = ANY($2) AND (held_by <> '' OR turn <= $3)))
ORDER BY turn, seq LIMIT $4;

-- name: beyond_pages
-- URLs that were found when the limit was reached, in their order.
SELECT key, url, depth, turn, lineage, listed FROM page
WHERE group_id = $1 AND state = 'beyond' ORDER BY seq LIMIT $2;

-- name: release_pages
-- What becomes of URLs that waited.
UPDATE page SET state = new.state, held_by = new.held_by, task_id = new.task_id
FROM unnest($2::bytea[], $3::text[], $4::text[], $5::uuid[]) AS new (key, state, held_by, task_id)
WHERE page.group_id = $1 AND page.key = new.key;

-- name: silence_tasks
-- Nobody is told of these: they are no pages of their own.
UPDATE task SET delivery = (delivery::jsonb - 'webhook')::json
WHERE id = ANY($1::uuid[]) AND delivery IS NOT NULL;

-- name: unsilence_tasks
-- These turned out to be pages after all; whether the webhook is due now or follows their upload.
UPDATE task SET delivery = jsonb_set(coalesce(delivery, '{}')::jsonb, '{webhook}', $2::jsonb)::json
WHERE id = ANY($1::uuid[]) RETURNING id, finished_at IS NOT NULL AS due;

-- name: keep_crawl
-- What families have shown, how many pages a crawl has, when it last moved, and, if that has changed,
-- where it lives.
WITH kept AS (
    INSERT INTO family (group_id, name, standing, refused)
    SELECT $1, name, standing, refused
    FROM unnest($2::text[], $3::bytea[], $4::int[]) AS new (name, standing, refused)
    ON CONFLICT (group_id, name)
    DO UPDATE SET standing = excluded.standing, refused = excluded.refused
)
UPDATE task_group SET taken = $5, options = coalesce($6, options), updated_at = now()
WHERE id = $1;

-- name: crawl_end
-- Whether a crawl has tasks that have not ended, whether a page succeeded, and its first task.
SELECT EXISTS (
    SELECT FROM task WHERE group_id = $1 AND finished_at IS NULL
        AND kind IN ('crawl_page', 'crawl_sitemaps')
) AS busy, EXISTS (
    SELECT FROM page JOIN task ON task.id = page.task_id
    WHERE page.group_id = $1 AND page.state = 'fetched' AND task.state = 'succeeded'
) AS succeeded;

-- name: end_crawl
-- A crawl ends, once.
UPDATE task_group SET state = $2, finished_at = now(), updated_at = now()
WHERE id = $1 AND state IN ('queued', 'running') RETURNING id;

-- name: first_task
-- The task of a crawl's start page.
SELECT task_id FROM page WHERE group_id = $1 AND task_id IS NOT NULL ORDER BY depth, seq LIMIT 1;

-- name: stalled_crawls
-- Crawls that go on although none of their tasks does: the last ended in an unusual way.
SELECT id FROM task_group
WHERE state IN ('queued', 'running') AND NOT EXISTS (
    SELECT FROM task WHERE task.group_id = task_group.id AND task.finished_at IS NULL
        AND kind IN ('crawl_page', 'crawl_sitemaps')
) LIMIT $1;

-- name: news_ahead
-- Whether a crawl has news under way that must arrive before this: its start, or for its end all.
SELECT EXISTS (
    SELECT FROM task AS hook
    WHERE hook.parent_id = ANY(
        SELECT id FROM task WHERE group_id = $1 AND ($3 OR id = $4) AND kind = 'crawl_page'
    )
        AND hook.kind = 'webhook' AND hook.id <> $2 AND hook.finished_at IS NULL
        AND hook.state <> 'delayed' AND ($3 OR hook.input ->> 'event' = 'started')
);

-- name: read_robots
-- What a host asked of robots when it was last asked.
SELECT rules, expires_at > now() AS fresh,
    coalesce(extract(epoch FROM now() - unreachable_since), 0)::double precision AS unreachable_s
FROM robots WHERE lane = $1 AND rules IS NOT NULL;

-- name: begin_asking
-- Who asks a host, of all processes; no row: another one does, for so long at most.
INSERT INTO robots (lane, delay_s, fetched_at, expires_at, asking_until)
VALUES ($1, 0, now(), now(), now() + make_interval(secs => $2))
ON CONFLICT (lane) DO UPDATE SET asking_until = excluded.asking_until
WHERE robots.asking_until IS NULL OR robots.asking_until < now()
RETURNING lane;

-- name: stop_asking
-- The host of a lane was not asked after all.
UPDATE robots SET asking_until = NULL WHERE lane = $1;

-- name: save_robots
-- What a host asks of robots, how long that may be believed, and since when nobody could ask.
INSERT INTO robots (lane, rules, delay_s, fetched_at, expires_at, unreachable_since)
VALUES ($1, $2, $3, now(), now() + make_interval(secs => $4), CASE WHEN $5 THEN now() END)
ON CONFLICT (lane) DO UPDATE SET rules = excluded.rules, delay_s = excluded.delay_s,
    fetched_at = excluded.fetched_at, expires_at = excluded.expires_at, asking_until = NULL,
    unreachable_since = CASE WHEN $5 THEN coalesce(robots.unreachable_since, now()) END;

-- name: slow_lane
-- A host asked for time between fetches, of which asking it was one: whoever fetches there keeps it.
UPDATE lane SET delay_s = greatest(delay_s, $2),
    turn_at = clock_timestamp() + make_interval(secs => greatest(delay_s, $2)),
    next_at = CASE WHEN next_at = 'infinity' THEN next_at
        ELSE clock_timestamp() + make_interval(secs => greatest(delay_s, $2)) END
WHERE key = $1;

-- name: purge_robots
-- What hosts asked long ago.
DELETE FROM robots WHERE expires_at < now() - interval '31 days';
