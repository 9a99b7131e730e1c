"""Runs the Resonate server on PostgreSQL, one at a time: `python -m deploy.store.guard [FLAG…]`.

The flags are the server's, such as `--config`; the guard sets those of the store. Two guards of one
database, on two machines, are an active server and a spare:

1. Each guard asks PostgreSQL for the same advisory lock. One of them gets it and starts a server.
2. When that server, its guard or their machine ends, PostgreSQL frees the lock, and the guard that
   waits has it and starts its server.
3. The role of the server may have one connection (roles.sql). Should two guards ever believe that
   they have the lock, the second server ends with an error: there are never two on one database.

A guard that waits answers Prometheus where its server will.

While PostgreSQL is away the server and its guard go on and connect again. A guard that waits gives
them `settings.SPARE_PAUSE_SECONDS` to be first.
"""
