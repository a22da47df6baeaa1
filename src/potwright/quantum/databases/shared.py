"""One database, many processes: transactions that wait for their turn and survive interruptions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from potwright.errors import InputError

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
"""How long a label that is paid for is offered to a database that does not take it."""

DISK_SECONDS = 1.0
"""What is committed survives the process at once. A commit waits for the disk, and then survives
the machine, too, if what it holds took longer to compute than this, or if the last one that waited
is longer ago: expensive labels are on the disk each; cheap ones do not spend their time waiting,
and a power cut costs about a second's worth of them."""


class Row(NamedTuple):
    """What ASE keeps of one structure: its atoms and results, keys to search by, further data."""

    atoms: dict[str, Any]
    keys: dict[str, Any]
    data: dict[str, Any]


class Backend(Protocol):
    """A kind of database, by what differs from kind to kind."""

    name: str
    """For messages: without a password."""
    errors: tuple[type[Exception], ...]
    """What its driver raises."""
    short_data: str
    """SQL for the data of a row of ``systems s``; may be without ``level_of_theory``."""

    def open(self) -> Any:
        """ASE's database, with a connection that commits by itself, its tables and our index.

        Raises
        ------
        InputError
            If it cannot be reached; the message says why and what to do.
        """

    def begin(self, connection: Any, *, wait_for_disk: bool) -> None:
        """Begin a transaction that writes; its commit may wait for the disk, or not."""

    def flush(self, connection: Any) -> None:
        """See to it that all that is committed is on the disk."""


class SharedDatabase:
    """An ASE database, other processes of which are at work at the same time."""

    def __init__(self, backend: Backend):
        self._backend = backend
        self.ase = backend.open()
        self._on_disk = -DISK_SECONDS

    @property
    def name(self) -> str:
        """For messages: without a password."""
        return self._backend.name

    @property
    def short_data(self) -> str:
        """SQL for the data of a row of ``systems s``; may be without ``level_of_theory``."""
        return self._backend.short_data

    def write(self, rows: Sequence[Row], *, seconds: float = 0.0) -> None:
        """Add rows, all in one commit.

        Parameters
        ----------
        rows
            What is added.
        seconds
            How long it took to compute them, see :data:`DISK_SECONDS`.

        Raises
        ------
        InputError
            If the database has not taken them within :data:`PATIENCE_SECONDS`.
        """
        self._patiently(lambda: self._write(rows, seconds))

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that an SQL statement finds; ``?`` stands for each of ``values``."""
        return self._patiently(lambda: self._execute(statement, values).fetchall())

    def flush(self) -> None:
        """See to it that all that is committed is on the disk."""
        self._patiently(lambda: self._backend.flush(self.ase.connection))

    def close(self) -> None:
        """End the connection; nothing can be read or written afterwards."""
        self.ase.connection.close()

    def _write(self, rows: Sequence[Row], seconds: float) -> None:
        from ase.db.row import AtomsRow

        wait_for_disk = max(seconds, time.monotonic() - self._on_disk) >= DISK_SECONDS
        self._backend.begin(self.ase.connection, wait_for_disk=wait_for_disk)
        try:
            self.ase.change_count = 0  # ASE would commit by itself after some thousand changes
            for row in rows:
                self.ase.write(AtomsRow(row.atoms), row.keys, data=row.data)
            self._execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        if wait_for_disk:
            self._on_disk = time.monotonic()

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        cursor = self.ase.connection.cursor()
        cursor.execute(statement, tuple(values))
        return cursor

    def _undo(self) -> None:
        try:
            self._execute("ROLLBACK")
        except self._backend.errors as error:  # then the connection is lost, and all is undone
            logger.debug("nothing to undo: %s", error)

    def _patiently(self, action: Callable[[], T]) -> T:
        """Do it, again if need be: another process has its turn, the server starts anew, …"""
        begun, pause = time.monotonic(), 0.05
        while True:
            try:
                return action()
            except self._backend.errors as error:
                waited = time.monotonic() - begun
                if waited + pause > PATIENCE_SECONDS:
                    raise InputError(
                        f"label store {self.name}: {_in_one_line(error)}, for {waited:.0f} s. What "
                        "was committed before is kept: mend the cause and repeat the command"
                    ) from error
                if pause > 1:
                    logger.warning(
                        "label store %s: %s; trying again", self.name, _in_one_line(error)
                    )
            time.sleep(pause)
            pause = min(2 * pause, 10.0)
            self._reconnect()

    def _reconnect(self) -> None:
        try:
            self._execute("SELECT 1").fetchall()
        except self._backend.errors:
            try:
                self.ase = self._backend.open()
            except InputError as error:  # not yet; the next try says so
                logger.debug("%s", error)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
