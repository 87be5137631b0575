-- Tasks that wait for their uploads, found without looking at all others.

CREATE INDEX task_parked ON task (modified_at) WHERE state = 'delivering';
