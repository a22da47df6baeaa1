"""What surfaces answer: predictions of committees, labels, dispersion, as values of structures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.execution import ExecutorBlock, Outcome, run_tasks
from potwright.geometry import engine_pbc
from potwright.pes import PESData
from potwright.pipelines.validation.plans import Values
from potwright.potentials import Committee
from potwright.quantum import Label
from potwright.uncertainty import Predictions


class Question(NamedTuple):
    """Structures for a committee, in one piece of work."""

    name: str
    committee: Committee
    pes: PESData
    device: str


def predictions(
    wanted: Mapping[str, PESData],
    committees: Mapping[str, Committee],
    executor: ExecutorBlock,
    device: str,
) -> Iterator[tuple[str, PESData, Predictions]]:
    """What all members of committees say of structures, piece by piece, in the executor's workers.

    Raises
    ------
    InputError
        If structures or members are at fault.
    RuntimeError
        If a committee fails otherwise.
    """
    tasks = [
        Question(name, committees[name], part, device)
        for name, pes in wanted.items()
        for part in _parts(pes, executor.slots())
    ]
    for outcome in run_tasks(_predict, tasks, executor, description="Potentials"):
        task = tasks[outcome.index]
        yield task.name, task.pes, _predicted(outcome, task.name)


def _predict(task: Question) -> Predictions:
    """What a worker runs."""
    return task.committee.predict(task.pes, device=task.device)


def _predicted(outcome: Outcome, name: str) -> Predictions:
    error = outcome.error
    if error is None:
        assert isinstance(outcome.value, Predictions)
        return outcome.value
    if error.kind == InputError.__name__:
        raise InputError(f"potential {name!r}: {error.message}")
    raise RuntimeError(f"potential {name!r} fails: {error.kind}: {error.message}")


def _parts(pes: PESData, slots: int) -> list[PESData]:
    """Pieces of about equal cost, one for each worker at most."""
    order = np.argsort(-pes.n_atoms, kind="stable")
    chosen = [np.sort(order[i::slots]) for i in range(min(slots, len(pes)))]
    return [pes[one] for one in chosen]


def by_member(predictions: Predictions, pes: PESData) -> dict[str, list[Values]]:
    """Values of each structure on the surface of each member, and last of the mean."""
    found = {}
    for i, id in enumerate(pes.id.tolist()):
        atoms = slice(int(pes.offsets[i]), int(pes.offsets[i + 1]))
        members = [
            Values(float(e[i]), f[atoms], s[i])
            for e, f, s in zip(
                predictions.energy, predictions.forces, predictions.stress, strict=True
            )
        ]
        found[id] = [*members, _mean(members)]
    return found


def _mean(members: Sequence[Values]) -> Values:
    return Values(
        float(np.mean([one.energy for one in members])),
        np.mean([one.forces for one in members], axis=0),
        np.mean([one.stress for one in members], axis=0),
    )


def of_label(label: Label) -> Values:
    """Those of a label."""
    stress = np.full(6, np.nan) if label.stress is None else label.stress
    return Values(label.energy, label.forces, stress)


def calculated(atoms: Atoms, calculator: Any) -> Values:
    """Those of an ASE calculator, for dispersion."""
    atoms = atoms.copy()
    atoms.pbc = engine_pbc(atoms.pbc)
    atoms.calc = calculator
    stress = np.array(atoms.get_stress()) if atoms.pbc.any() else np.full(6, np.nan)
    return Values(float(atoms.get_potential_energy()), np.array(atoms.get_forces()), stress)


def total(one: Values, other: Values) -> Values:
    """Of two contributions."""
    return one._replace(
        energy=one.energy + other.energy,
        forces=one.forces + other.forces,
        stress=one.stress + other.stress,
    )


def with_added(predictions: Predictions, added: Sequence[Values]) -> Predictions:
    """Predictions with the same contribution to all members, one for each structure."""
    return Predictions(
        predictions.id,
        predictions.offsets,
        predictions.energy + np.array([one.energy for one in added]),
        predictions.forces + np.concatenate([one.forces for one in added]),
        predictions.stress + np.array([one.stress for one in added]),
    )
