-- Indexes and triggers for the server's tables (v0.8.2). Without them the server reads all
-- finished rows again and again: throughput fell from 344 to 122/s within 12,000 executions.
-- The state comes first: with the root first, ANALYZE makes the planner choose a full scan.
CREATE INDEX IF NOT EXISTS durable_tasks_open ON tasks(state, root_promise_id, sort_id);
CREATE INDEX IF NOT EXISTS durable_tasks_timeout ON tasks(timeout);
CREATE INDEX IF NOT EXISTS durable_promises_open ON promises(timeout) WHERE state = 1;
CREATE INDEX IF NOT EXISTS durable_callbacks_promise ON callbacks(promise_id);
-- The server searches ids with LIKE, which in SQLite uses an index only if it ignores case.
CREATE INDEX IF NOT EXISTS durable_promises_id ON promises(id COLLATE NOCASE);
-- A large value (shared/resonate/large_values.py) has no tags. SQLite stores tags behind the value, so
-- a search that filters by tags would read all of the value to see that; it need not for NULL.
CREATE TRIGGER IF NOT EXISTS durable_values_untagged AFTER INSERT ON promises
WHEN NEW.id >= '=' AND NEW.id < '>'
BEGIN
    UPDATE promises SET tags = NULL WHERE sort_id = NEW.sort_id;
END;
-- A finished task (state 8 and up) leaves the ranges that the expiry scan and heartbeats read.
CREATE TRIGGER IF NOT EXISTS durable_tasks_done AFTER UPDATE OF state ON tasks
WHEN NEW.state >= 8 AND OLD.state < 8
BEGIN
    UPDATE tasks
    SET expires_at = 9223372036854775807, timeout = 9223372036854775807, process_id = NULL
    WHERE sort_id = NEW.sort_id;
END;
-- Tasks that finished before the trigger existed.
UPDATE tasks
SET expires_at = 9223372036854775807, timeout = 9223372036854775807, process_id = NULL
WHERE state >= 8 AND timeout < 9223372036854775807;
