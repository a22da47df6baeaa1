"""PostgreSQL: a server that several machines may use at once. Needs ``ase-db-backends``."""

from __future__ import annotations

from typing import Any

import psycopg2
from ase_db_backends.postgresql import Connection, PostgreSQLDatabase

from potwright.errors import InputError
from potwright.urls import without_password

CONNECT_SECONDS = 10

INDEX = "CREATE INDEX potwright_index ON text_key_values(key, value)"
ONE_AT_A_TIME = 7_237_921  # any number, the same for all: who holds it may make tables


class PostgreSQLBackend:
    """A database of a PostgreSQL server, by its URL."""

    errors: tuple[type[Exception], ...] = (psycopg2.OperationalError, psycopg2.InterfaceError)
    short_data = "s.data - 'level_of_theory'"  # a third of what travels, and of the time

    def __init__(self, url: str):
        self.url = url
        self.name = without_password(url)

    def open(self) -> Any:
        """Connect, making the tables if need be.

        Raises
        ------
        InputError
            If there is no such server or database, or it lets us not in.
        """
        database = _Database(self.url)
        try:
            connection = psycopg2.connect(self.url, connect_timeout=CONNECT_SECONDS)
            connection.autocommit = True
            database.connection = Connection(connection)
            database.change_count = 0
            cursor = database.connection.cursor()
            cursor.execute(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})")
            with database.managed_connection():
                pass
            cursor.execute("SELECT to_regclass('potwright_index')")
            if cursor.fetchone() == (None,):  # only who owns the tables may make one
                cursor.execute(INDEX)
            cursor.execute(f"SELECT pg_advisory_unlock({ONE_AT_A_TIME})")
        except psycopg2.Error as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"label store {self.name}: {reason}. Is the server running, does it know this user "
                "and database, and may the user make tables there? A password belongs into "
                "~/.pgpass or PGPASSWORD"
            ) from error
        return database

    def begin(self, connection: Any, *, wait_for_disk: bool) -> None:
        """Begin; a commit that does not wait is written within a second by the server."""
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        if not wait_for_disk:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")

    def flush(self, connection: Any) -> None:
        """Nothing to do: the server writes within a second by itself."""


class _Database(PostgreSQLDatabase):
    """ASE's database, for several processes that write."""

    def get_last_id(self, cur: Any) -> int:
        """The id of the row that this process has added; ASE takes the last one of anybody's."""
        cur.execute("SELECT currval('systems_id_seq')")
        return int(cur.fetchone()[0])
