"""Builds Tryton's database once; every use after that is a copy.

Building takes about 25 seconds (schema of all modules, then the books of books.toml), copying a
few milliseconds. A build is kept under a name made from everything that determines it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
BOOKS = HERE / "books.toml"
CREATE_BOOKS = HERE / "process" / "create_books.py"

DATABASE_NAME = "erp"
# Decimals of unit prices. Tryton's own default, 4, is too coarse for discounts on many units.
PRICE_DECIMALS = "8"

Progress = Callable[[str], None]


class TrytonBuildFailed(Exception):
    """A set-up process of Tryton ended with an error; the text holds the end of its output."""


@dataclass(frozen=True)
class TrytonDatabase:
    """A directory with one SQLite database and the REST keys that open it.

    `name` is the database's name in URLs.
    """

    directory: Path
    name: str = DATABASE_NAME

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self.directory / f"{self.name}.sqlite"

    def key(self, user: str) -> str:
        """A user's key for the REST API: a secret. The users are those of books.toml."""
        return json.loads(self._keys_file.read_text())[user]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Tryton's own programs find this database.

        https://docs.tryton.org/latest/server/topics/configuration.html
        """
        return {
            **os.environ,
            "TRYTOND_DATABASE__URI": "sqlite://",
            "TRYTOND_DATABASE__PATH": str(self.directory),
            # As with a worker: a confirmed order waits out its grace period, in which it can
            # still be cancelled. No worker runs here, so here it waits for ever.
            "TRYTOND_QUEUE__WORKER": "True",
            "TRYTOND_PRODUCT__PRICE_DECIMAL": PRICE_DECIMALS,
        }

    def copy_to(self, directory: Path) -> TrytonDatabase:
        """A copy of its own, with nothing of what happened here since; this one is not in use."""
        copy = TrytonDatabase(directory, self.name)
        directory.mkdir(parents=True, exist_ok=True)
        for suffix in ("-wal", "-shm"):
            copy.file.with_name(copy.file.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self.file, copy.file)
        shutil.copy(self._keys_file, copy._keys_file)
        return copy

    @property
    def _keys_file(self) -> Path:
        return self.directory / f"{self.name}.keys.json"


def build_database(cache: Path, progress: Progress = lambda step: None) -> TrytonDatabase:
    """The database with the books, from the cache or built now.

    `progress` is told each step of a build. Raises TrytonBuildFailed.
    """
    final = TrytonDatabase(cache.resolve() / _fingerprint())
    if final.file.exists():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    building = TrytonDatabase(
        Path(tempfile.mkdtemp(prefix="building-", dir=final.directory.parent))
    )
    try:
        _create_schema(building, progress)
        _create_books(building, progress)
        _publish(building, final)
    finally:
        shutil.rmtree(building.directory, ignore_errors=True)
    return final


def _create_schema(database: TrytonDatabase, progress: Progress) -> None:
    """An empty database of all modules; the administrator's password is thrown away."""
    modules = tomllib.loads(BOOKS.read_text())["modules"]
    progress("schema of all modules (the longest step)")
    database.file.touch()
    password_file = database.directory / "password"
    password_file.write_text(secrets.token_urlsafe(32))
    command = [sys.executable, "-m", "trytond.cli.admin", "--database", database.name]
    command += ["--update", *modules, "--activate-dependencies", "--email", "admin@example.com"]
    environment = {**database.environment, "TRYTONPASSFILE": str(password_file)}
    _run(command, environment, lambda line: None)


def _create_books(database: TrytonDatabase, progress: Progress) -> None:
    command = [sys.executable, str(CREATE_BOOKS), database.name, str(BOOKS)]
    _run([*command, str(database._keys_file)], database.environment, progress)


def _publish(building: TrytonDatabase, final: TrytonDatabase) -> None:
    """Put the finished build in its place at once; whoever was first wins."""
    finished = building.copy_to(building.directory / "finished")
    try:
        finished.directory.rename(final.directory)
    except OSError:
        if not final.file.exists():
            raise


def _run(command: list[str], environment: dict[str, str], progress: Progress) -> None:
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = []
    with process:
        for line in process.stdout:
            output.append(line)
            progress(line.rstrip())
    if process.returncode:
        raise TrytonBuildFailed(f"{command[1:3]} ended with an error:\n{''.join(output[-20:])}")


def _fingerprint() -> str:
    """What a build depends on: books, script, price decimals, versions of all Tryton packages."""
    digest = hashlib.sha256(PRICE_DECIMALS.encode())
    for file in (BOOKS, CREATE_BOOKS):
        digest.update(file.read_bytes())
    versions = {
        f"{distribution.name} {distribution.version}"
        for distribution in metadata.distributions()
        if distribution.name.lower().startswith(("trytond", "proteus"))
    }
    digest.update("\n".join(sorted(versions)).encode())
    return digest.hexdigest()[:16]
