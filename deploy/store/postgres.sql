-- sqlite.sql for PostgreSQL, to be run by psql. Indexes are built while the server runs.
-- Its trigger for large values is not needed: PostgreSQL stores them beside the row by itself.

-- A large store takes its time.
SET statement_timeout = 0;
-- One run at a time, so that an index that is not valid is not being built, but what an interrupted
-- run has left: IF NOT EXISTS would keep it, and no statement uses it. Waiting for the lock would keep
-- a snapshot, for which the other run would wait.
DO $$ BEGIN
    IF NOT pg_try_advisory_lock(hashtext('durable indexes')) THEN
        RAISE 'postgres.sql runs already; run it again when that has ended';
    END IF;
END $$;
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %s', indexrelid::regclass)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname LIKE 'durable\_%' AND NOT indisvalid \gexec

CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_due ON tasks (expires_at) WHERE state = 1;
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_open_root ON tasks (root_promise_id)
    WHERE state IN (1, 2, 4);
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_claimed ON tasks (process_id) WHERE state = 4;
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_set_aside ON tasks (recv, sort_id)
    WHERE state = 1 AND attempt > 0 AND expires_at > 0;
DROP INDEX CONCURRENTLY IF EXISTS durable_tasks_open;
CREATE INDEX CONCURRENTLY IF NOT EXISTS durable_tasks_timeout ON tasks (timeout);
DROP INDEX CONCURRENTLY IF EXISTS durable_tasks_root;
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
-- Pauses that grow while no worker is found, unless a worker of an earlier release runs.
CREATE OR REPLACE FUNCTION durable_set_aside_longer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM locks WHERE left(resource_id, 6) = 'alive.' AND process_id = execution_id;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    NEW.expires_at := NEW.expires_at
        + CASE NEW.attempt WHEN 2 THEN 8 WHEN 3 THEN 64 ELSE 600 END * (750 + floor(random() * 501));
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER durable_tasks_set_aside_longer BEFORE UPDATE OF attempt ON tasks
    FOR EACH ROW WHEN (NEW.state = 1 AND NEW.attempt > 1 AND NEW.attempt > OLD.attempt)
    EXECUTE FUNCTION durable_set_aside_longer();
-- Pauses that grew before such a worker came become due.
CREATE OR REPLACE FUNCTION durable_end_pauses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks SET expires_at = 0
    WHERE id IN (
        SELECT id FROM tasks
        WHERE state = 1 AND attempt > 1 AND expires_at > NEW.expires_at - NEW.ttl + 1000
        LIMIT 2000
    );
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER durable_tasks_not_asked_for BEFORE INSERT ON locks
    FOR EACH ROW WHEN (left(NEW.resource_id, 6) = 'alive.' AND NEW.process_id = NEW.execution_id)
    EXECUTE FUNCTION durable_end_pauses();

-- Tasks that a worker with room asks for become due.
CREATE OR REPLACE FUNCTION durable_ask_for_offers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    address CONSTANT text := '"poll://any@' || NEW.execution_id;
BEGIN
    UPDATE tasks SET expires_at = 0
    WHERE id IN (
        SELECT id FROM tasks
        WHERE state = 1 AND attempt > 0 AND expires_at > 0
            AND recv >= convert_to(address || '/', 'UTF8')
            AND recv < convert_to(address || '0', 'UTF8')
        ORDER BY recv, sort_id
        LIMIT NEW.process_id::integer
    );
    UPDATE tasks SET expires_at = 0
    WHERE id IN (
        SELECT id FROM tasks
        WHERE state = 1 AND attempt > 0 AND expires_at > 0
            AND recv = convert_to(address || '"', 'UTF8')
        ORDER BY sort_id
        LIMIT NEW.process_id::integer
    );
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER durable_tasks_asked_for AFTER INSERT ON locks
    FOR EACH ROW WHEN (left(NEW.resource_id, 7) = 'offers.' AND NEW.process_id ~ '^[0-9]{1,4}$')
    EXECUTE FUNCTION durable_ask_for_offers();

-- Tasks that a dead worker held become due. A JSON that cannot be read fails nothing else.
CREATE OR REPLACE FUNCTION durable_leave_behind() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks
    SET process_id = NULL, state = 1, counter = counter + 1, attempt = 0, ttl = 0, expires_at = 0
    FROM jsonb_each(NEW.execution_id::jsonb) AS held
    WHERE tasks.id = held.key AND to_jsonb(tasks.counter) = held.value AND tasks.state IN (2, 4);
    DELETE FROM locks WHERE resource_id = NEW.resource_id;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER durable_tasks_left_behind AFTER INSERT ON locks
    FOR EACH ROW WHEN (left(NEW.resource_id, 5) = 'dead.')
    EXECUTE FUNCTION durable_leave_behind();

-- The server was away: tasks that were set aside long ago become due over ten minutes.
UPDATE tasks
SET expires_at = extract(epoch FROM now()) * 1000 + floor(random() * 600000)
WHERE state = 1 AND attempt > 1 AND expires_at > 0 AND expires_at < extract(epoch FROM now()) * 1000;

-- Tasks that finished before the trigger existed.
UPDATE tasks
SET expires_at = 9223372036854775807, timeout = 9223372036854775807, process_id = NULL
WHERE state >= 8 AND timeout < 9223372036854775807;
