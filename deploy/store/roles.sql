-- Prepares PostgreSQL for two servers of which one is active: run by psql as a superuser, with the
-- password of both roles in the environment as RESONATE_PASSWORD. It may be run again at any time.
--
-- The server's role may have one connection. That is what keeps a second server away from the
-- database: two would run executions twice and corrupt each other's work. PostgreSQL applies the
-- limit to every role but a superuser.
\getenv password RESONATE_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM (VALUES ('resonate'), ('resonate_guard')) AS needed (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE resonate NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 1
    PASSWORD :'password';
-- Waits for the active server's end (deploy/store/guard), and has no rights on its tables.
ALTER ROLE resonate_guard NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 16
    PASSWORD :'password';

-- A machine that vanishes closes no connection. PostgreSQL asks, and frees connection and lock of
-- both roles after 5 s without an answer.
SELECT format('ALTER ROLE %I SET %s', name, setting)
FROM (VALUES ('resonate'), ('resonate_guard')) AS needed (name),
    (VALUES ('tcp_keepalives_idle = 2'), ('tcp_keepalives_interval = 1'),
        ('tcp_keepalives_count = 3'), ('tcp_user_timeout = 5000')) AS applied (setting) \gexec

SELECT 'CREATE DATABASE resonate OWNER resonate'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'resonate') \gexec
