-- The queue tells of rows that wait itself; its trigger told of every row that came or went.

DROP TRIGGER IF EXISTS tg_pgqueuer_changed ON pgqueuer;
