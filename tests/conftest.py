"""Fixtures of all tests: a separate state folder, a PostgreSQL server, the default of Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "s3cr:t@/%?"  # every character that an address gives a meaning to


class Postgres:
    """A server on loopback, with its data in a temporary folder; it refuses to be root's."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.made = 0

    def program(self, name: str, *words: str) -> None:
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [self.programs / name, "-D", self.folder / "data", *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
            **other,
        )

    def create(self) -> None:
        """Make the data's folder, and start."""
        if os.geteuid() == 0:
            os.chown(self.folder, 65534, 65534)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        words = ("-U", "nas", "--auth=scram-sha-256", "--pwfile", str(secret), "-E", "UTF8")
        self.program("initdb", *words, "--no-sync", "--locale=C")
        self.start()

    def start(self) -> None:
        # Without fsync a new start does not go through all files; a killed server loses nothing.
        options = f"-p {self.port} -h 127.0.0.1 -k '' -c fsync=off"
        self.program("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends what runs, ``immediate`` is a crash."""
        self.program("pg_ctl", "-w", "-m", mode, "stop")

    def address(self, database: str = "postgres", password: str = PASSWORD) -> str:
        secret = quote(password, safe="")
        return f"postgresql+psycopg://nas:{secret}@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str) -> list[tuple]:
        """Run a statement as the owner, on a separate connection."""
        import psycopg

        settings = {"host": "127.0.0.1", "port": self.port, "user": "nas", "password": PASSWORD}
        with psycopg.connect(**settings, dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def database(self) -> str:
        """Return the address of a new, empty database."""
        self.made += 1
        self.ask(f"CREATE DATABASE runs{self.made}")
        return self.address(f"runs{self.made}")

    def disconnect(self, url: str) -> int:
        """End all connections to a database, and say how many there were."""
        name = url.rpartition("/")[2]
        return len(
            self.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
            )
        )


def _programs() -> Path | None:
    """Return the folder of the server's programs, which Debian keeps off the path."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    folders += [Path(found).resolve().parent] if found else []
    return next((path for path in reversed(folders) if (path / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start a PostgreSQL server; skip the tests that request it if there is none."""
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL server; on Debian: apt install postgresql")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("there is no driver of PostgreSQL; pip install psycopg[binary]")
    folder = Path(tempfile.mkdtemp(prefix="nasturtium-postgres-"))
    folder.chmod(0o755)
    server = Postgres(programs, folder)
    try:
        server.create()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests search with out of the user's own records, also in their processes."""
    with pytest.MonkeyPatch.context() as patch:
        if "NASTURTIUM_STATE" not in os.environ:
            patch.setenv("NASTURTIUM_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> Iterator[None]:
    """Let Ctrl-C mean the same to tests, and to what they start, wherever they were started.

    A shell that is not interactive starts its background jobs with SIGINT ignored, and programs
    inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if before is not None:
        signal.signal(signal.SIGINT, before)
