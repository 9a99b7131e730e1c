-- Indexes and triggers for the server's tables (v0.8.2). Without them the server reads all
-- finished rows again and again: throughput fell from 344 to 122/s within 12,000 executions.
-- Tasks have the states 1 (waiting), 2 (offered), 4 (claimed), and 8 or 16 once they are finished.
-- The indexes leave finished tasks out, and their conditions are those of the server's statements, to
-- the letter, as SQLite needs it. The server reads tasks that are due twenty times a second, and those
-- that wait for a later time cost it nothing.
CREATE INDEX IF NOT EXISTS durable_tasks_due ON tasks(expires_at) WHERE state = 1;
CREATE INDEX IF NOT EXISTS durable_tasks_held ON tasks(root_promise_id) WHERE state in (2, 4);
CREATE INDEX IF NOT EXISTS durable_tasks_open_root ON tasks(root_promise_id) WHERE state in (1, 2, 4);
CREATE INDEX IF NOT EXISTS durable_tasks_claimed ON tasks(process_id) WHERE state = 4;
DROP INDEX IF EXISTS durable_tasks_open;
-- Tasks for which no worker was found, by their address and age.
CREATE INDEX IF NOT EXISTS durable_tasks_set_aside ON tasks(recv, sort_id)
WHERE state = 1 AND attempt > 0 AND expires_at > 0;
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
-- The server tries again after 1 s if no worker was found for a task, which is too often for a backlog.
-- From the second time on the pause grows, to ten minutes with a quarter more or less, so that those
-- of one moment do not come back in one moment. Workers with room need not wait for that, see below,
-- except those of earlier releases, which ask for nothing. They are known by their lock `alive.<pid>`,
-- whose process id is their own and not their group (worker/store/roster.py). Beside them pauses do not
-- grow.
BEGIN IMMEDIATE;
DROP TRIGGER IF EXISTS durable_tasks_set_aside_longer;
CREATE TRIGGER durable_tasks_set_aside_longer AFTER UPDATE OF attempt ON tasks
WHEN NEW.state = 1 AND NEW.attempt > 1 AND NEW.attempt > OLD.attempt AND NOT EXISTS (
    SELECT 1 FROM locks
    WHERE resource_id >= 'alive.' AND resource_id < 'alive/' AND process_id = execution_id
)
BEGIN
    UPDATE tasks
    SET expires_at = NEW.expires_at
        + CASE NEW.attempt WHEN 2 THEN 8 WHEN 3 THEN 64 ELSE 600 END * (750 + abs(random() % 501))
    WHERE sort_id = NEW.sort_id;
END;
-- Such a worker acquires its lock every five seconds. Pauses that grew before become due then.
DROP TRIGGER IF EXISTS durable_tasks_not_asked_for;
CREATE TRIGGER durable_tasks_not_asked_for BEFORE INSERT ON locks
WHEN NEW.resource_id >= 'alive.' AND NEW.resource_id < 'alive/' AND NEW.process_id = NEW.execution_id
BEGIN
    UPDATE tasks SET expires_at = 0
    WHERE sort_id IN (
        SELECT sort_id FROM tasks
        WHERE state = 1 AND attempt > 1 AND expires_at > NEW.expires_at - NEW.ttl + 1000
        LIMIT 2000
    );
END;
-- A worker with room asks for offers by a lock `offers.<any>` (worker/tasks/supply.py), whose execution
-- id is the worker's group and whose process id is the number of offers. The oldest tasks that were set
-- aside become due at once; those that resume an execution come first, whose address names a worker.
DROP TRIGGER IF EXISTS durable_tasks_asked_for;
CREATE TRIGGER durable_tasks_asked_for AFTER INSERT ON locks
WHEN NEW.resource_id >= 'offers.' AND NEW.resource_id < 'offers/'
    AND length(NEW.process_id) <= 4 AND NEW.process_id NOT GLOB '*[^0-9]*'
BEGIN
    UPDATE tasks SET expires_at = 0
    WHERE sort_id IN (
        SELECT sort_id FROM tasks
        WHERE state = 1 AND attempt > 0 AND expires_at > 0
            AND recv >= CAST('"poll://any@' || NEW.execution_id || '/' AS BLOB)
            AND recv < CAST('"poll://any@' || NEW.execution_id || '0' AS BLOB)
        ORDER BY recv, sort_id
        LIMIT CAST(NEW.process_id AS INTEGER)
    );
    UPDATE tasks SET expires_at = 0
    WHERE sort_id IN (
        SELECT sort_id FROM tasks
        WHERE state = 1 AND attempt > 0 AND expires_at > 0
            AND recv = CAST('"poll://any@' || NEW.execution_id || '"' AS BLOB)
        ORDER BY sort_id
        LIMIT CAST(NEW.process_id AS INTEGER)
    );
END;
-- A gateway hands back all that a dead worker held by a lock `dead.<any>` (shared/resonate/tasks.py), whose
-- execution id is a JSON object of tasks and counters. Each becomes due as if it was dropped, unless
-- another worker has it meanwhile. That the lock is gone again tells the gateway that this was done.
DROP TRIGGER IF EXISTS durable_tasks_left_behind;
CREATE TRIGGER durable_tasks_left_behind AFTER INSERT ON locks
WHEN NEW.resource_id >= 'dead.' AND NEW.resource_id < 'dead/' AND json_valid(NEW.execution_id)
BEGIN
    UPDATE tasks
    SET process_id = NULL, state = 1, counter = counter + 1, attempt = 0, ttl = 0, expires_at = 0
    FROM json_each(NEW.execution_id) AS held
    WHERE tasks.id = held.key AND tasks.counter = held.value AND tasks.state IN (2, 4);
    DELETE FROM locks WHERE resource_id = NEW.resource_id;
END;
COMMIT;
-- The server was away for a while: tasks that were set aside long ago become due over ten minutes, not
-- all at once. It orders those that are due by their id, for each hundred of them anew.
UPDATE tasks SET expires_at = unixepoch_ms + abs(random() % 600000)
FROM (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS unixepoch_ms)
WHERE state = 1 AND attempt > 1 AND expires_at > 0 AND expires_at < unixepoch_ms;
-- Tasks that finished before the trigger existed.
UPDATE tasks
SET expires_at = 9223372036854775807, timeout = 9223372036854775807, process_id = NULL
WHERE state >= 8 AND timeout < 9223372036854775807;
