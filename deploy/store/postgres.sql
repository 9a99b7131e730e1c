-- sqlite.sql for PostgreSQL, to be run by psql. Indexes are built while the server runs.
-- Its trigger for large values is not needed: PostgreSQL stores them beside the row by itself.
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_open ON tasks (state, root_promise_id, sort_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_timeout ON tasks (timeout);
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_root ON tasks (root_promise_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_promises_open ON promises (timeout) WHERE state = 1;
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_callbacks_promise ON callbacks (promise_id);
-- The server searches ids with LIKE. An index of the default operator class supports that only with
-- the C collation.
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_promises_id ON promises (id text_pattern_ops);

-- A finished task (state 8 and up) leaves the ranges that the expiry scan and heartbeats read.
CREATE OR REPLACE FUNCTION durable_park_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.expires_at := 9223372036854775807;
    NEW.timeout := 9223372036854775807;
    NEW.process_id := NULL;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER durable_tasks_done BEFORE UPDATE OF state ON tasks
    FOR EACH ROW WHEN (NEW.state >= 8 AND OLD.state < 8) EXECUTE FUNCTION durable_park_task();
-- Tasks that finished before the trigger existed.
UPDATE tasks
SET expires_at = 9223372036854775807, timeout = 9223372036854775807, process_id = NULL
WHERE state >= 8 AND timeout < 9223372036854775807;
