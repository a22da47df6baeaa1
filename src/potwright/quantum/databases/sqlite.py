"""SQLite: one file, which several processes may use at once."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from potwright.errors import InputError
from potwright.files import complete_or_absent

BUSY_SECONDS = 60.0
"""How long a statement waits while another process writes."""

# ASE indexes keys alone; with values, finding a structure does not slow down as the store grows
INDEX = "CREATE INDEX IF NOT EXISTS potwright_index ON text_key_values(key, value)"

NETWORK_FILESYSTEMS = {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre"}
NETWORK_FILESYSTEMS |= {"nfs", "nfs4", "panfs", "smb3", "smbfs"}


class SQLiteBackend:
    """An SQLite file with a write-ahead log: readers and the writer do not block each other.

    The log needs memory that all processes share, which a network file system does not give: there
    the file keeps SQLite's ordinary journal, and processes wait for each other a little longer.
    """

    errors: tuple[type[Exception], ...] = (sqlite3.OperationalError,)
    short_data = "s.data"

    def __init__(self, path: str):
        self.name = path
        self.path = Path(path).absolute()
        self._has_log = False

    def open(self) -> Any:
        """Open the file, making it if need be.

        Raises
        ------
        InputError
            If it is a folder, no ASE database, or cannot be written.
        """
        import ase.db

        _create(self.path)
        database = ase.db.connect(self.path, type="db", use_lock_file=False, serial=True)
        try:
            database.connection = self._connect()
            database.change_count = 0
            with database.managed_connection():
                pass
            self._prepare(database.connection)
        except (sqlite3.Error, OSError) as error:
            raise InputError(
                f"label store {self.path}: {error}; is it an ASE database that you may write, in a "
                "folder that you may write?"
            ) from error
        return database

    def begin(self, connection: sqlite3.Connection, *, wait_for_disk: bool) -> None:
        """Begin, waiting for other writers now rather than in the middle."""
        wait_for_disk = wait_for_disk or not self._has_log  # a journal may be damaged otherwise
        connection.execute(f"PRAGMA synchronous = {'FULL' if wait_for_disk else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")

    def flush(self, connection: sqlite3.Connection) -> None:
        """Bring what is in the log into the file, as far as others let it."""
        if self._has_log:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _connect(self) -> sqlite3.Connection:
        # nodes may run in another thread than the one that loaded the store, never in two at once
        return sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Choose the journal, and see whether the file can be written."""
        wanted = "delete" if _is_on_network(self.path) else "wal"
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
                if mode != wanted:
                    (mode,) = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(INDEX)
                connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                # others are at work, and changing the journal does not wait for them by itself
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                self._has_log = mode == "wal"
                return


def _create(path: Path) -> None:
    """Make an empty database, whole or not at all: ASE cannot open one that is half made."""
    import ase.db
    from filelock import FileLock

    if path.is_dir():
        raise InputError(f"the label store {path} is a folder; give the name of a file")
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if path.exists():
                return
            with complete_or_absent(path) as temporary:
                database = ase.db.connect(temporary, type="db", use_lock_file=False, serial=True)
                with database, database.managed_connection() as connection:
                    connection.execute(INDEX)
    except OSError as error:
        raise InputError(f"label store {path}: cannot be made: {error}") from error


def _is_on_network(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether a file lies on a network file system (Linux; unknown elsewhere)."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    folder, kind = Path(), ""
    for fields in lines:
        mounted = Path(fields[4].replace("\\040", " "))
        deeper = len(mounted.parts) >= len(folder.parts)
        if deeper and path.resolve().is_relative_to(mounted):
            folder, kind = mounted, fields[fields.index("-") + 1]
    return kind.removeprefix("fuse.") in NETWORK_FILESYSTEMS
