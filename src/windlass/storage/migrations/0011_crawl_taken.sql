-- A crawl keeps count of its pages: whoever changes them holds its row anyway. Equal texts are looked
-- for by their likeness, which is equal too: one index serves both.

ALTER TABLE task_group ADD COLUMN taken integer NOT NULL DEFAULT 0;

UPDATE task_group SET taken = (
    SELECT count(*) FROM page
    WHERE page.group_id = task_group.id AND page.state IN ('admitted', 'fetched')
)
WHERE kind = 'crawl';

DROP INDEX page_likeness;
DROP INDEX page_digest;
CREATE INDEX page_texts ON page (group_id, likeness, digest) WHERE likeness IS NOT NULL;

CREATE OR REPLACE VIEW stored_crawl AS
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
