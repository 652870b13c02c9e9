"""Tryton, a real ERP, built and run on this machine.

Tryton (https://www.tryton.org, GPL) always runs in its own process; this package starts it and
the scripts in `process/` are executed there. Nothing else in the project imports Tryton.

    database = build_database(Path(".interlock/tryton"))
    with TrytonServer(database.copy_to(directory)) as tryton:
        tryton.url, tryton.key()
"""

from local.tryton.database import TrytonDatabase, build_database
from local.tryton.server import TrytonServer

__all__ = ["TrytonDatabase", "TrytonServer", "build_database"]
