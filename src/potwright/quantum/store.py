"""The label store: every finished calculation, at once and for good, in an ASE database.

``ase db labels.db`` and ``ase gui labels.db`` open it. A row holds a structure with its true
periodicity, its label, and these keys: ``structure`` ("s" and the structure's id), ``level`` ("l"
and the hash of the level of theory), ``status`` (labelled or failed), ``engine``, ``seconds``,
``bought_by`` and, for a failure, ``reason``. Its data hold the level in full, the exact version and
the host. (The prefixes are there because ASE refuses text that could be read as a number.)
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potwright.errors import InputError
from potwright.files import complete_or_absent
from potwright.quantum.label import Label, LabelFailure
from potwright.quantum.level_of_theory import LevelOfTheory

LABELLED, FAILED = "labelled", "failed"

# ASE indexes keys alone; with values, finding a structure does not slow down as the store grows
INDEX = "CREATE INDEX IF NOT EXISTS potwright_index ON text_key_values(key, value)"


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

    Examples
    --------
    >>> store = LabelStore("labels.db")  # doctest: +SKIP
    >>> store.add("0a…", atoms, level, compute_label(engine, atoms))  # doctest: +SKIP
    >>> store.find(["0a…"], level)  # doctest: +SKIP
    {'0a…': Label(energy=-137.97, …)}
    """

    def __init__(self, url: str | Path, campaign: str = ""):
        import ase.db

        self.url = str(url)
        self.campaign = campaign
        is_server = "://" in self.url
        if not is_server:
            _create(Path(self.url))
        # ASE's own lock file would outlive a killed process and block the next; SQLite needs none
        self._database = ase.db.connect(
            self.url, type="extract_from_name" if is_server else "db", use_lock_file=False
        )

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
        keys: dict[str, Any] = {
            "structure": f"s{id}",
            "level": f"l{level.hash}",
            "engine": f"{level.engine} {level.version}",
            "seconds": result.seconds,
            "bought_by": self._buyer(iteration),
        }
        data = {
            "host": socket.gethostname(),
            "exact_version": level.exact_version,
            "level_of_theory": json.loads(level.canonical),
        }
        bare = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
        if isinstance(result, Label):
            keys["status"] = LABELLED
            stress = {} if result.stress is None else {"stress": result.stress}
            bare.calc = SinglePointCalculator(
                bare,
                energy=result.energy,
                free_energy=result.energy,
                forces=result.forces,
                **stress,
            )
            bare.calc.name = level.engine
        else:
            keys |= {"status": FAILED, "reason": result.reason}
            data |= {"message": result.message, "details": result.details}
        self._database.write(bare, keys, data=data)

    def find(self, ids: Iterable[str], level: LevelOfTheory) -> dict[str, Label]:
        """The labels that are there.

        Returns
        -------
        dict
            Label by id; ids without a label are absent. The numbers are those that were added,
            bit by bit.
        """
        return {
            id: Label(
                row.energy,
                np.array(row.forces),
                np.array(row.stress) if "stress" in row else None,
                row.seconds,
            )
            for id, row in self._rows(ids, level, LABELLED)
        }

    def failures(self, ids: Iterable[str], level: LevelOfTheory) -> dict[str, LabelFailure]:
        """The latest failure by id, of structures that have no label."""
        ids = list(ids)
        labelled = {id for id, _ in self._rows(ids, level, LABELLED)}
        return {
            id: LabelFailure(row.reason, row.data.message, row.data.details, row.seconds)
            for id, row in self._rows(ids, level, FAILED)
            if id not in labelled
        }

    def bought(self, ids: Iterable[str], level: LevelOfTheory, iteration: int) -> set[str]:
        """Those of ``ids`` that this campaign computed in ``iteration``, failed ones included.

        Empty if the store was opened without a campaign.
        """
        if not self.campaign:
            return set()
        buyer = self._buyer(iteration)
        ids = list(ids)
        return {
            id
            for status in (LABELLED, FAILED)
            for id, row in self._rows(ids, level, status)
            if row.get("bought_by") == buyer
        }

    def _buyer(self, iteration: int) -> str:
        return f"{self.campaign or 'nobody'}, iteration {iteration}"

    def __len__(self) -> int:
        """Calculations in the store, failed ones included."""
        return int(self._database.count())

    def _rows(
        self, ids: Iterable[str], level: LevelOfTheory, status: str
    ) -> Iterator[tuple[str, Any]]:
        with self._database as database:
            for id in ids:
                for row in database.select(structure=f"s{id}", include_data=status == FAILED):
                    if row.level == f"l{level.hash}" and row.status == status:
                        yield id, row


def _create(path: Path) -> None:
    """Make an empty database, whole or not at all: ASE cannot open one that is half made."""
    import ase.db
    from filelock import FileLock

    if path.is_dir():
        raise InputError(f"the label store {path} is a folder; give the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return
        with complete_or_absent(path) as temporary:
            database = ase.db.connect(temporary, type="db", use_lock_file=False)
            with database.managed_connection() as connection:
                connection.execute(INDEX)
