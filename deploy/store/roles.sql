-- Prepares PostgreSQL for two servers of which one is active: run by psql as a role with CREATEROLE
-- and CREATEDB, such as a managed PostgreSQL's administrator, with the password of both roles in the
-- environment as RESONATE_PASSWORD. That role or a superuser may run it again at any time.
--
-- The server's role may have one connection. That is what keeps a second server away from the
-- database: two would run executions twice and corrupt each other's work. PostgreSQL applies the
-- limit to every role but a superuser.
\getenv password RESONATE_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM (VALUES ('resonate'), ('resonate_guard')) AS needed (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- Only a superuser may take this away, and only a superuser can have given it.
SELECT format('ALTER ROLE %I NOSUPERUSER', rolname)
FROM pg_roles WHERE rolname IN ('resonate', 'resonate_guard') AND rolsuper \gexec
ALTER ROLE resonate CONNECTION LIMIT 1 PASSWORD :'password';
-- Waits for the active server's end (deploy/store/guard), and has no rights on its tables.
ALTER ROLE resonate_guard CONNECTION LIMIT 16 PASSWORD :'password';
-- The guard of the active server says nothing while all is well.
ALTER ROLE resonate_guard SET idle_session_timeout = 0;

-- A machine that vanishes closes no connection. PostgreSQL asks, and frees connection and lock of
-- both roles after 5 s without an answer.
SELECT format('ALTER ROLE %I SET %s', name, setting)
FROM (VALUES ('resonate'), ('resonate_guard')) AS needed (name),
    (VALUES ('tcp_keepalives_idle = 2'), ('tcp_keepalives_interval = 1'),
        ('tcp_keepalives_count = 3'), ('tcp_user_timeout = 5000')) AS applied (setting) \gexec

-- Only a member of a role gives a database to it, or a superuser. Whoever makes a role is a member since
-- PostgreSQL 16, but not one that may do that.
SELECT format('GRANT resonate TO %I', rolname)
FROM pg_roles WHERE rolname = current_user AND NOT rolsuper \gexec
SELECT 'CREATE DATABASE resonate OWNER resonate'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'resonate') \gexec
