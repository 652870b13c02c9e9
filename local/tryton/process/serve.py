"""Serves one Tryton database over HTTP, until its parent process is gone.

Run in a process of its own: it imports Tryton, which is licensed under the GPL, while the rest of
the project reaches Tryton over its REST API alone.

    python serve.py PORT PARENT_PROCESS_ID

The environment says which database (TRYTOND_DATABASE__PATH, TRYTOND_DATABASE_NAMES). The port is
printed once requests are answered. One thread serves them: SQLite has one writer at a time.
"""

import os
import sqlite3
import sys
import threading
import time

import waitress
from trytond.application import app
from trytond.backend import Database

PARENT_CHECK_SECONDS = 1.0


def end_with(parent: int) -> None:
    """End this process when its parent has ended, however that happened.

    An orphan is adopted by another process, on Linux and macOS alike, so its parent's id changes.
    """
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def keep_connections() -> None:
    """Let a transaction go on with the connection of an earlier one, as Tryton does on PostgreSQL.

    On SQLite it opens a connection for each, which reads the schema of all tables before anything
    else: a third of the time that a simple request takes. SQLite's connections are of one thread.
    """
    kept = threading.local()
    connect = Database.connect

    def take(database: Database) -> Database:
        idle = vars(kept).get(database.name)
        if database._conn is None and idle:
            database._conn = idle.pop()
        return connect(database)

    def give_back(database: Database, connection: sqlite3.Connection) -> None:
        database._conn = None
        vars(kept).setdefault(database.name, []).append(connection)

    Database.connect = take
    Database.put_connection = give_back


def main() -> None:
    port, parent = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    name = os.environ["TRYTOND_DATABASE_NAMES"]
    if not Database(name).connect().test():
        sys.exit(f"{name} is no database of Tryton")
    keep_connections()
    server = waitress.create_server(app, host="127.0.0.1", port=port, threads=1)
    print(server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
