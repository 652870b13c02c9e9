"""Tryton as a child process: built once, copied, stopped, killed, started again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local.tryton import TrytonDatabase, TrytonServer, build_database
from local.tryton.database import BOOKS
from local.tryton.server import TrytonStartFailed

REPOSITORY = Path(__file__).parents[3]
CACHE = REPOSITORY / ".interlock" / "tryton"


@pytest.fixture
def database(tmp_path: Path) -> TrytonDatabase:
    """A copy for this test alone."""
    return build_database(CACHE).copy_to(tmp_path)


def companies(server: TrytonServer, user: str = "interlock") -> list[str]:
    answer = httpx.get(
        f"{server.url}/rest/model/company.company",
        params={"f": "party.code"},
        headers={"Authorization": f"Bearer {server.key(user)}"},
    )
    answer.raise_for_status()
    return sorted(company["party"]["code"] for company in answer.json())


def rename(server: TrytonServer, name: str) -> None:
    answer = httpx.put(
        f"{server.url}/rest/model/party.party/1",
        json={"name": name},
        headers={"Authorization": f"Bearer {server.key('finance')}"},
    )
    answer.raise_for_status()


def name_of_the_first_company(server: TrytonServer) -> str:
    answer = httpx.get(
        f"{server.url}/rest/model/party.party/1",
        params={"f": "name"},
        headers={"Authorization": f"Bearer {server.key()}"},
    )
    return answer.json()["name"]


def test_the_books_are_served_to_each_user(database: TrytonDatabase):
    books = tomllib.loads(BOOKS.read_text())
    expected = sorted(company["code"] for company in books["companies"])
    with TrytonServer(database) as server:
        for user in books["users"]:
            assert companies(server, user["login"]) == expected
    assert not server.running


def test_a_second_build_comes_from_the_cache():
    build_database(CACHE)
    steps: list[str] = []
    assert build_database(CACHE, steps.append).file.exists()
    assert steps == []


def test_a_copy_is_fresh_even_over_a_used_one(database: TrytonDatabase):
    with TrytonServer(database) as server:
        rename(server, "Changed here")
    build_database(CACHE).copy_to(database.directory)
    with TrytonServer(database) as server:
        assert name_of_the_first_company(server) != "Changed here"


@pytest.mark.parametrize("end", [TrytonServer.stop, TrytonServer.kill])
def test_a_restart_has_the_same_address_and_data(
    database: TrytonDatabase, end: Callable[[TrytonServer], None]
):
    server = TrytonServer(database)
    server.start()
    try:
        url = server.url
        rename(server, "Kept")
        end(server)
        assert not server.running
        with pytest.raises(httpx.ConnectError):
            companies(server)
        server.start()
        assert server.url == url
        assert name_of_the_first_company(server) == "Kept"
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_where_to_look(tmp_path: Path):
    empty = TrytonDatabase(tmp_path)
    sqlite3.connect(empty.file).close()
    with pytest.raises(TrytonStartFailed, match=r"tryton\.log"):
        TrytonServer(empty).start()


def test_the_server_ends_with_its_parent(database: TrytonDatabase):
    program = (
        "import sys, time; from pathlib import Path;"
        "from local.tryton import TrytonDatabase, TrytonServer;"
        "server = TrytonServer(TrytonDatabase(Path(sys.argv[1])));"
        "server.start(); print(server.url, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(database.directory)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        url = parent.stdout.readline().strip()
        assert httpx.get(url).status_code == 405
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            httpx.get(url)
        except httpx.TransportError:
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent")


def test_the_keys_are_readable_by_their_owner_alone(database: TrytonDatabase):
    (keys_file,) = database.directory.glob("*.json")
    assert keys_file.stat().st_mode & 0o077 == 0
