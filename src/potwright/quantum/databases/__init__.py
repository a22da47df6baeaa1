"""The database behind a label store: ASE's own, opened so that many processes may share it.

SQLite in a file, or PostgreSQL by URL. A further kind is one module with a class like
:class:`~potwright.quantum.databases.sqlite.SQLiteBackend`, and its scheme in :func:`open_database`.
"""

from potwright.errors import InputError
from potwright.quantum.databases.shared import Backend, Row, SharedDatabase

__all__ = ["Backend", "Row", "SharedDatabase", "open_database"]

POSTGRESQL = ("postgresql://", "postgres://")


def open_database(url: str) -> SharedDatabase:
    """Open the database, with all its tables.

    Parameters
    ----------
    url
        Path of an SQLite file, made if it does not exist, or ``postgresql://user@host/name``.

    Raises
    ------
    InputError
        If it cannot be opened; the message says why and what to do.
    """
    if url.startswith(POSTGRESQL):
        try:
            from potwright.quantum.databases.postgresql import PostgreSQLBackend
        except ImportError as error:
            raise InputError(
                "a label store in PostgreSQL needs the package ase-db-backends, which cannot be "
                f"imported ({error}); install it: pip install 'potwright[postgresql]'"
            ) from error
        return SharedDatabase(PostgreSQLBackend(url))
    if "://" in url:
        raise InputError(
            f"label store {url.partition('://')[0]}://…: no such kind of database; give the path "
            "of an SQLite file, or postgresql://user@host/name"
        )
    from potwright.quantum.databases.sqlite import SQLiteBackend

    return SharedDatabase(SQLiteBackend(url))
