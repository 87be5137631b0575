-- Pages that name another as the one that counts are compared with it.

ALTER TABLE page ADD COLUMN sketch bytea;

CREATE INDEX page_waiting ON page (group_id, alias_of)
WHERE state = 'admitted' AND alias_of IS NOT NULL;
