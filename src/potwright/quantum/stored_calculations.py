"""All that a label store knows of one structure: every calculation, failed ones too."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from potwright.quantum.databases import Row
from potwright.quantum.inventory import buyer
from potwright.quantum.store import CHUNK, LabelStore

OF_ONE = """
SELECT s.id, s.ctime, s.energy, s.key_value_pairs, s.data
FROM text_key_values t JOIN systems s ON s.id = t.id
WHERE t.key = 'structure' AND t.value = ? ORDER BY s.id
"""
ROWS_OF = """
SELECT id FROM text_key_values WHERE key = 'structure' AND value IN ({ids}) ORDER BY id
"""
KEPT_OF_A_ROW = (
    *("unique_id", "ctime", "numbers", "positions", "cell", "pbc"),
    *("calculator", "calculator_parameters", "energy", "free_energy", "forces", "stress"),
)


@dataclass(frozen=True)
class Calculation:
    """One calculation, as the store keeps it.

    Attributes
    ----------
    row
        Its number in the store.
    date
        When it was committed, ISO 8601.
    status
        labelled or failed.
    engine, exact_version
        What computed it.
    level, settings
        The level of theory: its hash, and what it consists of.
    energy_ev
        None where it failed.
    reason, message
        Why it failed; empty where it did not.
    recovery
        The one that led to the label; empty if none was needed.
    attempts
        The tries before, or all of them where it failed: recovery, reason, message, seconds.
    seconds, host
        Wall time of all attempts together, and where.
    campaign, iteration
        Who bought it; no iteration where it was imported.
    """

    row: int
    date: str
    status: str
    engine: str
    exact_version: str
    level: str
    settings: dict[str, Any]
    energy_ev: float | None
    reason: str
    message: str
    recovery: str
    attempts: list[dict[str, Any]]
    seconds: float
    host: str
    campaign: str
    iteration: int | None


def calculations_of(store: LabelStore, id: str) -> list[Calculation]:
    """Every calculation of a structure, at any level of theory, whoever bought it, in order."""
    return [_calculation(store, row) for row in store.database.read(OF_ONE, [f"s{id}"])]


def _calculation(store: LabelStore, found: tuple[Any, ...]) -> Calculation:
    row, ctime, energy, pairs, data = found
    keys = json.loads(pairs) if isinstance(pairs, str) else pairs
    further = data if isinstance(data, dict) else store.database.ase.decode(data)
    campaign, iteration = buyer(keys)
    told = ("recovery", "reason", "message", "seconds")
    return Calculation(
        row=row,
        date=_date(ctime),
        status=keys["status"],
        engine=keys["engine"],
        exact_version=further.get("exact_version", ""),
        level=keys["level"][1:],
        settings=dict(further.get("level_of_theory", {}).get("settings", {})),
        energy_ev=energy,
        reason=keys.get("reason", ""),
        message=further.get("message", ""),
        recovery=further.get("recovery", ""),
        attempts=[{k: a.get(k) for k in told} for a in further.get("attempts", ())],
        seconds=keys["seconds"],
        host=further.get("host", ""),
        campaign=campaign,
        iteration=iteration,
    )


def _date(ctime: float) -> str:
    """ASE counts years since 2000."""
    from ase.db.core import T2000, YEAR

    return datetime.fromtimestamp(T2000 + ctime * YEAR, UTC).isoformat(timespec="seconds")


def copy_calculations(
    store: LabelStore, target: LabelStore, ids: Iterable[str], levels: Collection[str]
) -> int:
    """Copy the calculations of structures at some levels of theory, all that is kept of each.

    Returns
    -------
    int
        How many there were.
    """
    wanted, count = list(dict.fromkeys(ids)), 0
    for start in range(0, len(wanted), CHUNK):
        chunk = [f"s{id}" for id in wanted[start : start + CHUNK]]
        statement = ROWS_OF.format(ids=", ".join("?" * len(chunk)))
        rows = [
            _copied(row)
            for (number,) in store.database.read(statement, chunk)
            if (row := store.database.ase._get_row(number)).key_value_pairs["level"][1:] in levels
        ]
        target.database.write(rows)
        count += len(rows)
    target.flush()
    return count


def _copied(row: Any) -> Row:
    """A row of ASE's as it is written."""
    atoms = {key: row.get(key) for key in KEPT_OF_A_ROW if row.get(key) is not None}
    atoms["user"] = row.get("user")  # which ASE wants, be it None
    return Row(atoms, dict(row.key_value_pairs), dict(row.data))
