-- A crawl's numbers come from indexes: they are asked for while it runs, and a page counted then
-- costs twice.

CREATE INDEX task_members_failed ON task (group_id)
    WHERE group_id IS NOT NULL AND state IN ('failed', 'cancelled');

CREATE OR REPLACE VIEW stored_crawl AS
SELECT task_group.id, task_group.account_id, account.name AS account, task_group.name,
    task_group.input, task_group.options, task_group.delivery, task_group.state,
    task_group.created_at, task_group.updated_at, task_group.finished_at,
    counted.total, counted.pending, counted.failed
FROM task_group JOIN account ON account.id = task_group.account_id
CROSS JOIN LATERAL (
    SELECT (
        SELECT count(*) FROM page
        WHERE page.group_id = task_group.id AND page.state IN ('admitted', 'fetched')
    ) AS total, (
        -- As conditions of the join, the states would have page_taken read for each of the tasks.
        SELECT count(*) FILTER (WHERE page.state IN ('admitted', 'fetched'))
        FROM task JOIN page ON page.task_id = task.id
        WHERE task.group_id = task_group.id AND task.finished_at IS NULL
    ) AS pending, (
        SELECT count(*) FILTER (WHERE page.state IN ('admitted', 'fetched'))
        FROM task JOIN page ON page.task_id = task.id
        WHERE task.group_id = task_group.id AND task.state IN ('failed', 'cancelled')
    ) AS failed
) AS counted
WHERE task_group.kind = 'crawl';
