"""The label store: every finished calculation, at once and for good, in an ASE database.

``ase db labels.db`` and ``ase gui labels.db`` open it. A row holds a structure with its true
periodicity, its label, and these keys: ``structure`` ("s" and the structure's id), ``level`` ("l"
and the hash of the level of theory), ``status`` (labelled or failed), ``engine``, ``seconds``,
``bought_by`` and, for a failure, ``reason``. Its data hold the level in full, the exact version,
the host that computed it, and the attempts that it took. (The prefixes are there because ASE
refuses text that could be read as a number.)
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from potwright.quantum.databases import Row, open_database
from potwright.quantum.label import Attempt, Label, LabelFailure
from potwright.quantum.level_of_theory import LevelOfTheory

LABELLED, FAILED = "labelled", "failed"
CHUNK = 1000  # ids per query, rows per commit of many

FIND = """
SELECT t.value, s.energy, s.forces, s.stress, s.key_value_pairs, {data}
FROM text_key_values t JOIN systems s ON s.id = t.id
WHERE t.key = 'structure' AND t.value IN ({ids})
ORDER BY s.id
"""

WALL_TIMES = """
SELECT s.natoms, n.value
FROM text_key_values t JOIN systems s ON s.id = t.id JOIN number_key_values n ON n.id = t.id
WHERE t.key = 'level' AND t.value = ? AND n.key = 'seconds' AND n.value > 0
AND s.energy IS NOT NULL AND s.natoms > 1
AND NOT EXISTS (SELECT 1 FROM species e WHERE e.id = s.id AND e.z NOT IN ({species}))
ORDER BY s.id DESC LIMIT ?
"""


@dataclass(frozen=True)
class Stored:
    """What the store knows of one structure at one level.

    Attributes
    ----------
    result
        The label: the first one, so that it stays the same whoever computes it again. If there is
        none, the latest failure.
    buyers
        Who computed it, failed tries included, see :meth:`LabelStore.buyer`.
    """

    result: Label | LabelFailure
    buyers: frozenset[str]


class LabelStore:
    """Labels and failures by structure id and level of theory.

    Only one process of a run writes; several runs may share a store.

    Parameters
    ----------
    url
        Path of an SQLite file (``.db``), made if it does not exist, or the ``postgresql://…``
        address of a server (needs the package ``ase-db-backends``).
    campaign
        Who buys; noted with each calculation that is added.

    Raises
    ------
    InputError
        If the database cannot be opened; the message says why.

    Examples
    --------
    >>> store = LabelStore("labels.db")  # doctest: +SKIP
    >>> store.add("0a…", atoms, level, compute_label(engine, atoms))  # doctest: +SKIP
    >>> store.find(["0a…"], level)  # doctest: +SKIP
    {'0a…': Label(energy=-137.97, …)}
    """

    def __init__(self, url: str | Path, campaign: str = ""):
        self.url = str(url)
        self.campaign = campaign
        self.database = open_database(self.url)

    # ---------------------------------------------------------------- adding

    def add(
        self,
        id: str,
        structure: Atoms,
        level: LevelOfTheory,
        result: Label | LabelFailure,
        iteration: int = 0,
    ) -> None:
        """Commit the result of one calculation.

        Parameters
        ----------
        id
            The structure's id.
        structure
            With its true periodicity.
        level
            At which it was computed.
        result
            A label, or why there is none.
        iteration
            The campaign's, in which it was computed.
        """
        row = _row(id, structure, level, result, self.buyer(iteration))
        self.database.write([row], seconds=result.seconds)

    def add_imported(
        self,
        ids: Sequence[str],
        structures: Sequence[Atoms],
        level: LevelOfTheory,
        labels: Sequence[Label],
        source: str,
    ) -> None:
        """Commit labels that were made elsewhere, a thousand at a time.

        Parameters
        ----------
        ids, structures, labels
            Of the same length, see :meth:`add`.
        level
            At which they are said to have been computed.
        source
            Where they come from, kept with each.
        """
        buyer = f"{self.campaign or 'nobody'}, import"
        rows = [
            _row(id, atoms, level, label, buyer, source=source)
            for id, atoms, label in zip(ids, structures, labels, strict=True)
        ]
        for start in range(0, len(rows), CHUNK):
            self.database.write(rows[start : start + CHUNK])

    def buyer(self, iteration: int) -> str:
        """How a purchase of this campaign is noted."""
        return f"{self.campaign or 'nobody'}, iteration {iteration}"

    def flush(self) -> None:
        """See to it that all that was added would survive a power cut."""
        self.database.flush()

    def close(self) -> None:
        """End the connection; the store cannot be used afterwards."""
        self.database.close()

    # ---------------------------------------------------------------- looking up

    def look(self, ids: Iterable[str], level: LevelOfTheory) -> dict[str, Stored]:
        """All that is known of structures at a level; those of which nothing is known are absent.

        The numbers of a label are those that were added, to the last digit.
        """
        found: dict[str, Stored] = {}
        for id, result, buyer in self._results(ids, level):
            known = found.get(id)
            if known is None:
                found[id] = Stored(result, frozenset({buyer}))
            else:
                first = known.result if isinstance(known.result, Label) else result
                found[id] = Stored(first, known.buyers | {buyer})
        return found

    def find(self, ids: Iterable[str], level: LevelOfTheory) -> dict[str, Label]:
        """The labels that are there, by id; ids without a label are absent."""
        return {
            id: stored.result
            for id, stored in self.look(ids, level).items()
            if isinstance(stored.result, Label)
        }

    def failures(self, ids: Iterable[str], level: LevelOfTheory) -> dict[str, LabelFailure]:
        """The latest failure by id, of structures that have no label."""
        return {
            id: stored.result
            for id, stored in self.look(ids, level).items()
            if isinstance(stored.result, LabelFailure)
        }

    def bought(self, ids: Iterable[str], level: LevelOfTheory, iteration: int) -> set[str]:
        """Those of ``ids`` that this campaign computed in ``iteration``, failed ones included.

        Empty if the store was opened without a campaign.
        """
        if not self.campaign:
            return set()
        buyer = self.buyer(iteration)
        return {id for id, stored in self.look(ids, level).items() if buyer in stored.buyers}

    def wall_times(
        self, level: LevelOfTheory, species: Collection[int], limit: int = CHUNK
    ) -> tuple[np.ndarray, np.ndarray]:
        """How long the latest labels of a level took, whoever computed them.

        Only of structures of no other ``species`` (atomic numbers), since materials differ. Single
        atoms, whose cost is that of their box, and labels made elsewhere are left out.

        Returns
        -------
        n_atoms, seconds
            Shape (k,) each, k ≤ ``limit``.
        """
        statement = WALL_TIMES.format(species=", ".join("?" * len(species)))
        found = self.database.read(statement, [f"l{level.hash}", *species, limit])
        n_atoms, seconds = np.array(found, dtype=float).reshape(-1, 2).T
        return n_atoms.astype(int), seconds

    def __len__(self) -> int:
        """Calculations in the store, failed ones included."""
        return int(self.database.read("SELECT COUNT(*) FROM systems")[0][0])

    def _results(
        self, ids: Iterable[str], level: LevelOfTheory
    ) -> Iterator[tuple[str, Label | LabelFailure, str]]:
        """Id, result and buyer of each calculation, a structure's first one first."""
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), CHUNK):
            chunk = [f"s{id}" for id in wanted[start : start + CHUNK]]
            statement = FIND.format(data=self.database.short_data, ids=", ".join("?" * len(chunk)))
            for value, *numbers, pairs, data in self.database.read(statement, chunk):
                keys = json.loads(pairs) if isinstance(pairs, str) else pairs
                if keys.get("level") == f"l{level.hash}":
                    yield value[1:], self._result(numbers, keys, data), keys.get("bought_by", "")

    def _result(
        self, numbers: Sequence[Any], keys: dict[str, Any], data: Any
    ) -> Label | LabelFailure:
        """What a row says; rows of earlier versions name neither attempts nor the worker's host."""
        ase = self.database.ase
        further = data if isinstance(data, dict) else ase.decode(data)
        attempts = tuple(Attempt(**attempt) for attempt in further.get("attempts", ()))
        common = {
            "seconds": keys["seconds"],
            "host": further.get("host", ""),
            "attempts": attempts,
        }
        if keys["status"] == FAILED:
            return LabelFailure(keys["reason"], further["message"], further["details"], **common)
        energy, forces, stress = numbers
        return Label(
            energy,
            # a copy: what SQLite gives is read-only
            np.array(ase.deblob(forces, shape=(-1, 3))),
            None if stress is None else np.array(ase.deblob(stress)),
            recovery=further.get("recovery", ""),
            **common,
        )


def _row(
    id: str,
    structure: Atoms,
    level: LevelOfTheory,
    result: Label | LabelFailure,
    buyer: str,
    **data: Any,
) -> Row:
    """One calculation as ASE keeps it."""
    from ase.db.core import now

    atoms: dict[str, Any] = {
        "unique_id": uuid.uuid4().hex,
        "ctime": now(),
        "user": os.getenv("USER"),
        "numbers": structure.numbers,
        "positions": structure.positions,
        "cell": structure.cell.array,
        "pbc": structure.pbc,
    }
    keys: dict[str, Any] = {
        "structure": f"s{id}",
        "level": f"l{level.hash}",
        "engine": f"{level.engine} {level.version}",
        "seconds": result.seconds,
        "bought_by": buyer,
    }
    data |= {
        "host": result.host,
        "exact_version": level.exact_version,
        "level_of_theory": json.loads(level.canonical),
        "attempts": [_clean(asdict(attempt)) for attempt in result.attempts],
    }
    if isinstance(result, Label):
        keys["status"] = LABELLED
        data["recovery"] = result.recovery
        atoms |= {
            "calculator": level.engine.lower(),
            "calculator_parameters": {},
            "energy": result.energy,
            "free_energy": result.energy,
            "forces": np.asarray(result.forces, dtype=float),  # ASE's tables hold bare bytes
        }
        if result.stress is not None:
            atoms["stress"] = np.asarray(result.stress, dtype=float)
    else:
        keys |= {"status": FAILED, "reason": result.reason}
        data |= _clean({"message": result.message, "details": result.details})
    return Row(atoms, keys, data)


def _clean(data: dict[str, Any]) -> dict[str, Any]:
    """Without the one character that PostgreSQL does not take: crashing programs print anything."""
    return {k: v.replace("\0", "�") if isinstance(v, str) else v for k, v in data.items()}
