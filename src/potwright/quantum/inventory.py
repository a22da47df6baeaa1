"""What a label store holds: as a table, in sum, and as structures to take away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.formula import Formula

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.quantum.foreign_labels import labels_of
from potwright.quantum.level_of_theory import LevelOfTheory
from potwright.quantum.store import CHUNK, LABELLED, LabelStore

COLUMNS = ["id", "formula", "status", "reason", "engine", "level", "campaign", "iteration"]
COLUMNS += ["seconds", "energy_ev"]
SHORT = 8  # digits of a hash that are shown

ROWS = """
SELECT s.id, s.key_value_pairs, s.numbers, s.energy{more}
FROM systems s WHERE s.id > ? ORDER BY s.id LIMIT ?
"""
GEOMETRY = ", s.positions, s.cell, s.pbc, s.forces, s.stress"


@dataclass(frozen=True)
class Filter:
    """Which calculations are meant; None: any.

    Attributes
    ----------
    status, reason
        As the store has them.
    engine
        Its name, or name and version.
    level
        Hash of a level of theory, or how it begins.
    campaign, iteration
        Who bought it.
    formula
        Composition, in any order: ``C64``, ``OH2``.
    """

    status: str | None = None
    reason: str | None = None
    engine: str | None = None
    level: str | None = None
    campaign: str | None = None
    iteration: int | None = None
    formula: str | None = None

    def accepts(self, keys: dict[str, Any], numbers: np.ndarray) -> bool:
        """Whether a calculation is meant, by its keys and atomic numbers."""
        campaign, iteration = buyer(keys)
        return (
            self.status in (None, keys["status"])
            and self.reason in (None, keys.get("reason"))
            and (self.engine is None or f"{keys['engine']} ".startswith(f"{self.engine} "))
            and (self.level is None or keys["level"][1:].startswith(self.level))
            and self.campaign in (None, campaign)
            and self.iteration in (None, iteration)
            and (self.formula is None or self._composition == _composition(numbers))
        )

    @cached_property
    def _composition(self) -> tuple[int, ...]:
        try:
            return _composition(Atoms(self.formula).numbers)
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.formula!r} is no chemical formula; C64 is one") from error


def table(store: LabelStore, which: Filter, *, after: int = 0) -> pd.DataFrame:
    """One row per calculation with a number above ``after``: :data:`COLUMNS`."""
    rows = []
    for id, keys, numbers, energy, *_ in _rows(store, which, after=after):
        formula = str(Formula.from_list([str(s) for s in Atoms(numbers).symbols]).format("hill"))
        what = keys["status"], keys.get("reason", ""), keys["engine"], keys["level"][1:]
        rows.append((id, formula, *what, *buyer(keys), keys["seconds"], energy))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"iteration": "Int64", "energy_ev": float})


def latest(store: LabelStore, count: int) -> pd.DataFrame:
    """The last ``count`` calculations, the last one first; columns as :func:`table` has them."""
    (newest,) = store.database.read("SELECT COALESCE(MAX(id), 0) FROM systems")[0]
    return table(store, Filter(), after=max(int(newest) - count, 0)).iloc[::-1]


def summary(calculations: pd.DataFrame) -> pd.DataFrame:
    """Calculations and hours by campaign, engine, level, status and reason."""
    by = ["campaign", "engine", "level", "status", "reason"]
    groups = calculations.groupby(by, sort=True)
    result = groups.agg(calculations=("id", "size"), seconds=("seconds", "sum")).reset_index()
    hours = result.pop("seconds") / 3600
    return result.assign(level=result.level.str[:SHORT], hours=hours.round(2))


def levels(store: LabelStore) -> dict[str, LevelOfTheory]:
    """The levels of theory of the calculations in the store, by hash."""
    statement = (
        "SELECT t.value, s.data FROM text_key_values t JOIN systems s ON s.id = t.id WHERE s.id IN "
        "(SELECT MIN(id) FROM text_key_values WHERE key = 'level' GROUP BY value) "
        "AND t.key = 'level'"
    )
    found = {}
    for value, data in store.database.read(statement):
        further = data if isinstance(data, dict) else store.database.ase.decode(data)
        level = further["level_of_theory"]
        found[value[1:]] = LevelOfTheory(
            level["engine"], further["exact_version"], level["settings"]
        )
    return found


def structures(store: LabelStore, which: Filter) -> PESData:
    """The structures of calculations, with their labels; each structure once.

    Raises
    ------
    InputError
        If they are labelled at several levels of theory: one dataset holds one.
    """
    atoms: dict[str, Atoms] = {}
    of_level: dict[str, str] = {}
    for id, keys, numbers, energy, *geometry in _rows(store, which, GEOMETRY):
        structure = keys["structure"][1:]
        if structure not in atoms:
            atoms[structure] = _atoms(store, keys, numbers, energy, geometry)
            atoms[structure].info["potwright_source"] = f"label store, row {id}"
        of_level.setdefault(keys["level"][1:], keys["engine"])
    if len(of_level) > 1:
        names = ", ".join(f"{hash[:SHORT]} ({engine})" for hash, engine in of_level.items())
        raise InputError(
            f"these are calculations at {len(of_level)} levels of theory: {names}. One dataset "
            "holds one: choose by --level"
        )
    pes = PESData.from_atoms(list(atoms.values()))
    level = np.where(pes.has_labels, next(iter(of_level), ""), "")
    return pes.replace(level_of_theory=level) if len(pes) else pes


@dataclass(frozen=True)
class Imported:
    """What became of labels that were to be imported.

    Attributes
    ----------
    added, known
        How many are new to the store, and how many were there.
    different
        How many of the latter have another energy there, which stays.
    largest_difference_ev
        Of these energies.
    """

    added: int
    known: int
    different: int
    largest_difference_ev: float


def import_labels(
    store: LabelStore, pes: PESData, level: LevelOfTheory, source: str, tolerance_ev: float = 1e-6
) -> Imported:
    """Add labels that were made elsewhere; what is there already stays.

    Parameters
    ----------
    store, level, source
        See :meth:`LabelStore.add_imported`.
    pes
        Structures that all have a label of ``level``.
    tolerance_ev
        Energies further apart than this are different.
    """
    pes = pes.drop_duplicates()
    there = store.find(pes.id.tolist(), level)
    new = pes[np.array([id not in there for id in pes.id.tolist()], dtype=bool)]
    old = pes[pes.index_of(list(there))]
    stored = np.array([there[id].energy for id in old.id.tolist()])
    gaps = np.abs(old.energy - stored)
    store.add_imported(new.id.tolist(), new.to_atoms(), level, labels_of(new), source)
    store.flush()
    different = int((gaps > tolerance_ev).sum())
    return Imported(len(new), len(old), different, float(gaps.max(initial=0.0)))


def _rows(
    store: LabelStore, which: Filter, more: str = "", *, after: int = 0
) -> Iterator[tuple[Any, ...]]:
    """Row id, keys, numbers, energy (and geometry) of the calculations that are meant."""
    statement, last = ROWS.format(more=more), after
    while chunk := store.database.read(statement, [last, CHUNK]):
        last = chunk[-1][0]
        for id, pairs, numbers, *rest in chunk:
            keys = json.loads(pairs) if isinstance(pairs, str) else pairs
            elements = store.database.ase.deblob(numbers, np.int32)
            if {"structure", "level", "status"} <= keys.keys() and which.accepts(keys, elements):
                yield id, keys, elements, *rest


def _atoms(
    store: LabelStore, keys: dict[str, Any], numbers: np.ndarray, energy: float, geometry: list[Any]
) -> Atoms:
    deblob = store.database.ase.deblob
    positions, cell, pbc, forces, stress = geometry
    atoms = Atoms(
        numbers,
        deblob(positions, shape=(-1, 3)),
        cell=deblob(cell, shape=(3, 3)),
        pbc=[bool(pbc & bit) for bit in (1, 2, 4)],
        info={key: keys[key] for key in ("engine", "bought_by", "reason") if key in keys},
    )
    if keys["status"] == LABELLED:
        results = {"energy": energy, "forces": np.array(deblob(forces, shape=(-1, 3)))}
        if stress is not None:
            results["stress"] = np.array(deblob(stress))
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def buyer(keys: dict[str, Any]) -> tuple[str, int | None]:
    """Campaign and iteration; no iteration where a label was imported."""
    campaign, _, what = keys.get("bought_by", "").rpartition(", ")
    word, _, number = what.partition(" ")
    return campaign, int(number) if word == "iteration" else None


def _composition(numbers: np.ndarray) -> tuple[int, ...]:
    return tuple(sorted(np.asarray(numbers).tolist()))
