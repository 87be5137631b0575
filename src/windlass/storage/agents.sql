-- Statements about agents. Loaded beside queries.sql.

-- name: get_agent
-- One version of an agent, the newest without a number.
SELECT name, version, document, created_at FROM agent
WHERE account_id = $1 AND name = $2 AND ($3::integer IS NULL OR version = $3)
ORDER BY version DESC LIMIT 1;

-- name: list_agents
-- The newest version of each agent of an account, without the long parts.
SELECT DISTINCT ON (name) name, version,
    coalesce(document->>'display_name', '') AS display_name,
    coalesce(document->>'description', '') AS description,
    document->>'vertical' AS vertical, document->>'entity_type' AS entity_type,
    document->>'domain' AS domain
FROM agent WHERE account_id = $1 ORDER BY name, version DESC;

-- name: count_agents
-- How many agents an account has beside one.
SELECT count(DISTINCT name) FROM agent WHERE account_id = $1 AND name <> $2;

-- name: insert_agent
-- The next version of an agent; no row: somebody else has just made it.
INSERT INTO agent (account_id, name, version, document)
SELECT $1, $2, coalesce(max(version), 0) + 1, $3 FROM agent WHERE account_id = $1 AND name = $2
ON CONFLICT DO NOTHING RETURNING version, created_at;

-- name: purge_versions
-- Old versions of an agent; $3 of them stay.
DELETE FROM agent WHERE account_id = $1 AND name = $2 AND version <= (
    SELECT max(version) - $3 FROM agent WHERE account_id = $1 AND name = $2
);

-- name: delete_agent
-- All versions of an agent.
DELETE FROM agent WHERE account_id = $1 AND name = $2 RETURNING version;
