"""From ASE structures to columns and back, losing nothing.

What has no column of its own travels in ``info``: further per-atom arrays under ``arrays``, further
results of the calculator under ``results``, constraints under ``constraints``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from potwright.errors import InputError

if TYPE_CHECKING:
    from potwright.pes.data import PESData

METADATA = ("origin", "parent", "group", "split", "iteration", "level_of_theory", "source")
PREFIX = "potwright_"
OWN_ARRAYS = ("numbers", "positions")


def columns_from_atoms(atoms: Sequence[Atoms], labels: str) -> dict[str, Any]:
    """Columns of ``atoms``; see :meth:`potwright.pes.PESData.from_atoms`."""
    converted = [_Converter(a, i, labels).columns() for i, a in enumerate(atoms)]
    lengths = [len(a) for a in atoms]
    columns: dict[str, Any] = {
        "offsets": np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        "numbers": _joined([a.numbers for a in atoms], (0,)),
        "positions": _joined([a.positions for a in atoms], (0, 3)),
        "cell": np.array([a.cell.array for a in atoms]).reshape(-1, 3, 3),
        "pbc": np.array([a.pbc for a in atoms], dtype=bool).reshape(-1, 3),
        "energy": np.array([c["energy"] for c in converted], dtype=float),
        "forces": _joined([c["forces"] for c in converted], (0, 3)),
        "stress": np.array([c["stress"] for c in converted], dtype=float).reshape(-1, 6),
        "info": [c["info"] for c in converted],
    }
    for name in METADATA:
        if any(name in c for c in converted):
            fallback = (
                0
                if name == "iteration"
                else {"split": "unassigned", "origin": "initial"}.get(name, "")
            )
            columns[name] = [c.get(name, fallback) for c in converted]
    return columns


def atoms_from_columns(pes: PESData, *, engine_pbc: bool) -> list[Atoms]:
    """ASE structures of ``pes``; see :meth:`potwright.pes.PESData.to_atoms`."""
    pbc = pes.pbc | pes.pbc.any(axis=1, keepdims=True) if engine_pbc else pes.pbc
    metadata = {name: getattr(pes, name).tolist() for name in METADATA if name != "group"}
    metadata["group"] = pes._column("group").tolist()
    starts = pes.offsets.tolist()
    energy, forces, stress = pes.energy.tolist(), pes.forces, pes.stress
    with_forces = np.zeros(len(pes), dtype=bool)
    if len(pes):
        with_forces = np.logical_and.reduceat(~np.isnan(forces).any(axis=1), pes.offsets[:-1])
    with_stress = ~np.isnan(stress).any(axis=1)
    result = []
    for i, info in enumerate(pes.info):
        atoms_slice = slice(starts[i], starts[i + 1])
        atoms = Atoms(
            pes.numbers[atoms_slice], pes.positions[atoms_slice], cell=pes.cell[i], pbc=pbc[i]
        )
        results: dict[str, Any] = {}
        if energy[i] == energy[i]:
            results |= {"energy": energy[i], "free_energy": energy[i]}
        if with_forces[i]:
            results["forces"] = forces[atoms_slice].copy()
        if with_stress[i]:
            results["stress"] = stress[i].copy()
        _restore(atoms, info, results)
        atoms.info |= {PREFIX + n: v[i] for n, v in metadata.items() if v[i] not in ("", 0)}
        result.append(atoms)
    return result


def _restore(atoms: Atoms, info: dict[str, Any], results: dict[str, Any]) -> None:
    """Put back what travelled in ``info``."""
    rest = dict(info)
    for name, values in rest.pop("arrays", {}).items():
        atoms.set_array(name, np.asarray(values))
    results |= {
        n: np.asarray(v) if isinstance(v, list) else v for n, v in rest.pop("results", {}).items()
    }
    constraints = rest.pop("constraints", None)
    atoms.info |= rest
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    if constraints:
        from ase.constraints import dict2constraint

        atoms.set_constraint([dict2constraint(c) for c in constraints])


def _joined(parts: list[np.ndarray], empty_shape: tuple[int, ...]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(empty_shape)


class _Converter:
    """One structure on its way into columns; knows its name for messages."""

    def __init__(self, atoms: Atoms, index: int, labels: str):
        self.atoms = atoms
        self.labels = labels
        source = atoms.info.get(PREFIX + "source", "")
        self.name = (
            f"structure {index} ({atoms.get_chemical_formula()}{', ' + source if source else ''})"
        )
        self.info = {k: v for k, v in atoms.info.items() if not str(k).startswith(PREFIX)}
        self.arrays = {k: v for k, v in atoms.arrays.items() if k not in OWN_ARRAYS}

    def columns(self) -> dict[str, Any]:
        if np.any(self.atoms.get_celldisp()):
            raise InputError(
                f"{self.name}: key 'celldisp' cannot be represented; translate the atoms instead"
            )
        found, results = self._labels()
        energy = found.get("energy")
        forces = found.get("forces")
        stress = found.get("stress")
        info = {str(k): self._json(k, v) for k, v in self.info.items()}
        if self.arrays:
            info["arrays"] = {k: self._json(k, v) for k, v in self.arrays.items()}
        if results:
            info["results"] = {k: self._json(k, v) for k, v in results.items()}
        if self.atoms.constraints:
            info["constraints"] = [
                self._json("constraints", c.todict()) for c in self.atoms.constraints
            ]
        columns = {
            "energy": np.nan if energy is None else self._shaped("energy", energy, ()),
            "forces": np.full((len(self.atoms), 3), np.nan)
            if forces is None
            else self._shaped("forces", forces, (len(self.atoms), 3)),
            "stress": np.full(6, np.nan) if stress is None else self._stress(stress),
            "info": info,
        }
        given = {n: self.atoms.info[PREFIX + n] for n in METADATA if PREFIX + n in self.atoms.info}
        return columns | given

    def _labels(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The labels, and what else the calculator says."""
        results = self._calculator_results()
        if self.labels == "none":
            return {}, {}
        if self.labels == "calculator":
            found: dict[str, Any] = {
                name: results.pop(name) for name in ("forces", "stress") if name in results
            }
            free = results.pop("free_energy", None)
            if free is None:
                return found | {"energy": results.pop("energy", None)}, results
            if results.get("energy") == free:
                results.pop("energy")
            return found | {"energy": free}, results
        found = {}
        for name in ("energy", "forces", "stress"):
            key = self.labels + name
            for place in (self.info, self.arrays):
                if key in place:
                    found[name] = place.pop(key)
            if not self.labels and name in results:  # ASE's readers move plain keys to a calculator
                found[name] = results.pop(name)
        return found, results

    def _calculator_results(self) -> dict[str, Any]:
        """What the attached calculator holds for this very geometry; nothing is computed."""
        calc = self.atoms.calc
        if calc is None:
            return {}
        names = [n for n in getattr(calc, "results", {}) if n in all_properties]
        values = {n: calc.get_property(n, self.atoms, allow_calculation=False) for n in names}
        return {n: v for n, v in values.items() if v is not None}

    def _shaped(self, key: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
        try:
            array = np.asarray(value, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{self.name}: key {self.labels}{key!r} is not made of numbers"
            ) from error
        if array.shape != shape:
            raise InputError(f"{self.name}: key {key!r} has shape {array.shape}, expected {shape}")
        return array

    def _stress(self, value: Any) -> np.ndarray:
        array = np.asarray(value, dtype=float)
        if array.shape == (9,):
            array = array.reshape(3, 3)
        if array.shape == (3, 3):
            array = full_3x3_to_voigt_6_stress(array)
        return self._shaped("stress", array, (6,))

    def _json(self, key: Any, value: Any) -> Any:
        if isinstance(value, np.generic):
            return self._json(key, value.item())
        if isinstance(value, np.ndarray):
            return self._json(key, value.tolist())
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return [self._json(key, v) for v in value]
        if isinstance(value, dict):
            return {str(k): self._json(key, v) for k, v in value.items()}
        from ase.spacegroup import Spacegroup

        if isinstance(value, Spacegroup):  # what ASE's CIF reader leaves
            return value.symbol
        raise InputError(
            f"{self.name}: key {key!r} holds a {type(value).__name__}, not representable; "
            "remove it, or turn it into numbers, strings, lists or dictionaries of them"
        )
