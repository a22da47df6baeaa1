"""The potential-energy surfaces that are compared: committees, their members, and the reference."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from potwright.dynamics.dispersion import Dispersion, NoDispersion
from potwright.errors import InputError
from potwright.execution import ExecutorBlock, Outcome, run_tasks
from potwright.geometry import engine_pbc
from potwright.pes import PESData
from potwright.pipelines.validation.plans import (
    NoResultError,
    Plan,
    T,
    Values,
    answer,
    in_supercells,
    together,
)
from potwright.pipelines.validation.prototypes import Prototype
from potwright.potentials import Committee
from potwright.potentials.species import refuse_unknown
from potwright.quantum import Engine, Label, LabelStore
from potwright.quantum.calculations import label_structures
from potwright.uncertainty import Predictions

logger = logging.getLogger(__name__)


class Surface(NamedTuple):
    """Who answers.

    Attributes
    ----------
    potential
        A name that the user gave, or ``reference``.
    member
        Which member; None: the committee mean.
    """

    potential: str
    member: int | None = None


REFERENCE = Surface("reference")


@dataclass(frozen=True)
class NamedCommittee:
    """A potential that is tested.

    Attributes
    ----------
    committee
        Its members, or one.
    includes_dispersion
        Whether it has learnt dispersion, so that none is added.
    """

    committee: Committee
    includes_dispersion: bool = False


@dataclass
class Surfaces:
    """All surfaces, and where their values are computed.

    Attributes
    ----------
    potentials
        By name.
    engine
        The reference.
    store
        Where its labels are looked up, and kept.
    executor
        Where all of them compute.
    device
        For the potentials.
    dispersion
        What is added where it is asked for.
    members
        Whether every member is a surface of its own, beside the mean.
    retry
        Labels that failed before for one of these reasons are computed again.
    costs
        What was asked for so far: structures from the store, computed, failed, their seconds, and
        evaluations of potentials.
    """

    potentials: Mapping[str, NamedCommittee]
    engine: Engine
    store: LabelStore
    executor: ExecutorBlock
    device: str = "auto"
    dispersion: Dispersion = field(default_factory=NoDispersion)
    members: bool = True
    retry: Collection[str] = ("killed", "walltime")
    costs: Counter[str] = field(default_factory=Counter)

    def all(self) -> list[Surface]:
        """The reference, and of each potential its mean and, if there are several, its members."""
        found = [REFERENCE]
        for name, named in self.potentials.items():
            several = self.members and len(named.committee) > 1
            found.append(Surface(name))
            found += [Surface(name, m) for m in range(len(named.committee))] if several else []
        return found

    def on(self, executor: ExecutorBlock) -> Surfaces:
        """The same surfaces, computed elsewhere."""
        return replace(self, executor=executor, costs=Counter())

    def repeats_of(self, prototype: Prototype) -> tuple[int, int, int]:
        """The supercell in which the reference has to see a structure."""
        length = self.engine.min_length_angstrom
        if not self.engine.gamma_only or length is None:
            return prototype.repeats or (1, 1, 1)
        return prototype.repeats_at(length)

    def spent(self) -> dict[str, int]:
        """What was asked for since this was last asked."""
        costs, self.costs = dict(self.costs), Counter()
        return costs

    def refuse_species(self, numbers: Collection[int], where: str) -> None:
        """Refuse elements that the engine or a potential does not know.

        Raises
        ------
        InputError
            Before anything is computed.
        """
        wanted = sorted({int(z) for z in numbers})
        known = self.engine.elements()
        if known is not None:
            refuse_unknown(wanted, known, f"{where}, the reference")
        for name, named in self.potentials.items():
            refuse_unknown(wanted, named.committee.species, f"{where}, potential {name!r}")
        self.dispersion.verify(wanted)

    def carry_out(
        self,
        plan_on: Callable[[Surface], Plan[T]],
        repeats: tuple[int, int, int] = (1, 1, 1),
        *,
        dispersion: bool = False,
        on: Sequence[Surface] | None = None,
    ) -> dict[Surface, T | NoResultError]:
        """Carry one plan out on all surfaces, in rounds.

        Parameters
        ----------
        plan_on
            Makes the plan for a surface.
        repeats
            The supercell in which the reference sees each structure, for engines that need it.
        dispersion
            Whether dispersion is added, to whoever lacks it.
        on
            Surfaces; by default all.

        Returns
        -------
        dict
            What the plan returned on each, or why it ended; that is warned of.
        """
        surfaces = self.all() if on is None else on
        plans = {
            one: in_supercells(plan_on(one), repeats) if one == REFERENCE else plan_on(one)
            for one in surfaces
        }
        return self.carry_out_all(plans, dispersion=dispersion)

    def carry_out_all(
        self, plans: Mapping[Any, Plan[T]], *, dispersion: bool = False
    ) -> dict[Any, T | NoResultError]:
        """Carry plans out side by side; keys are surfaces, or tuples that begin with one."""
        tagged = {key: _addressed(plan, surface_of(key)) for key, plan in plans.items()}

        def evaluate(requests: Sequence[Any]) -> list[Values]:
            return self.evaluate(requests, dispersion=dispersion)

        return answer(together(tagged), evaluate)

    def evaluate(
        self, requests: Sequence[tuple[Surface, Atoms]], *, dispersion: bool = False
    ) -> list[Values]:
        """What surfaces say of structures, each asked for once."""
        by_potential: dict[str, list[int]] = {}
        for i, (surface, _) in enumerate(requests):
            by_potential.setdefault(surface.potential, []).append(i)
        pes = {
            name: PESData.from_atoms([_bare(requests[i][1]) for i in places], origin="validation")
            for name, places in by_potential.items()
        }
        unique = {name: one.drop_duplicates() for name, one in pes.items()}
        found: dict[str, Mapping[str, list[Values]]] = {
            name: self._labels(one) if name == REFERENCE.potential else {}
            for name, one in unique.items()
        }
        found |= self._predictions({n: p for n, p in unique.items() if n != REFERENCE.potential})
        added = self._dispersion(unique) if dispersion else {}
        values: list[Values] = [Values.none(0, "")] * len(requests)
        for name, places in by_potential.items():
            for place, id in zip(places, pes[name].id.tolist(), strict=True):
                value = found[name][id][_row(requests[place][0])]
                values[place] = _sum(value, added[name, id]) if (name, id) in added else value
        return values

    # ---------------------------------------------------------------- who computes

    def _labels(self, pes: PESData) -> dict[str, list[Values]]:
        """Of the reference, through the label store."""
        outcomes = label_structures(
            pes,
            self.store,
            self.engine,
            self.executor,
            retry=self.retry,
            all_may_fail=True,
            description="",
        )
        self.costs["labels"] += len(outcomes.labels)
        self.costs["labels computed"] += len(outcomes.computed)
        self.costs["labels failed"] += len(outcomes.failures)
        seconds = [outcomes.labels[i].seconds for i in outcomes.computed if i in outcomes.labels]
        self.costs["seconds of labelling"] += round(sum(seconds))
        found = {id: [_of_label(label)] for id, label in outcomes.labels.items()}
        sizes = dict(zip(pes.id.tolist(), pes.n_atoms.tolist(), strict=True))
        for id, failure in outcomes.failures.items():
            found[id] = [Values.none(sizes[id], f"{failure.reason}: {failure.message}")]
        return found

    def _predictions(self, wanted: Mapping[str, PESData]) -> dict[str, dict[str, list[Values]]]:
        """Of all members of potentials, and last of their means, in the executor's workers."""
        tasks = [
            _Task(name, self.potentials[name].committee, part, self.device)
            for name, pes in wanted.items()
            for part in _parts(pes, self.executor.slots())
        ]
        found: dict[str, dict[str, list[Values]]] = {name: {} for name in wanted}
        for outcome in run_tasks(_predict, tasks, self.executor, description="Potentials"):
            task = tasks[outcome.index]
            self.costs["evaluations of potentials"] += len(task.pes)
            found[task.name] |= _by_member(_predicted(outcome, task.name), task.pes)
        return found

    def _dispersion(self, wanted: Mapping[str, PESData]) -> dict[tuple[str, str], Values]:
        """What is added to whoever lacks it, by potential and structure."""
        calculator = self.dispersion.calculator()
        if calculator is None:
            return {}
        lacking = [name for name in wanted if not self._includes_dispersion(name)]
        known: dict[str, Values] = {}
        for name in lacking:
            for id, atoms in zip(wanted[name].id.tolist(), wanted[name].to_atoms(), strict=True):
                known[id] = known.get(id) or _calculated(atoms, calculator)
        return {(name, id): known[id] for name in lacking for id in wanted[name].id.tolist()}

    def _includes_dispersion(self, name: str) -> bool:
        if name == REFERENCE.potential:
            return self.engine.includes_dispersion
        return self.potentials[name].includes_dispersion


def surface_of(key: Any) -> Surface:
    """The surface that a key of :meth:`Surfaces.carry_out_all` names."""
    return key if isinstance(key, Surface) else key[0]


class _Task(NamedTuple):
    name: str
    committee: Committee
    pes: PESData
    device: str


def _predict(task: _Task) -> Predictions:
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


def _by_member(predictions: Predictions, pes: PESData) -> dict[str, list[Values]]:
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


def _row(surface: Surface) -> int:
    """Where a surface's values are in the list of its potential; the mean is the last."""
    return -1 if surface.member is None else surface.member


def _of_label(label: Label) -> Values:
    stress = np.full(6, np.nan) if label.stress is None else label.stress
    return Values(label.energy, label.forces, stress)


def _calculated(atoms: Atoms, calculator: Any) -> Values:
    atoms = atoms.copy()
    atoms.pbc = engine_pbc(atoms.pbc)
    atoms.calc = calculator
    stress = np.array(atoms.get_stress()) if atoms.pbc.any() else np.full(6, np.nan)
    return Values(float(atoms.get_potential_energy()), np.array(atoms.get_forces()), stress)


def _sum(one: Values, other: Values) -> Values:
    return one._replace(
        energy=one.energy + other.energy,
        forces=one.forces + other.forces,
        stress=one.stress + other.stress,
    )


def _addressed(plan: Plan[T], surface: Surface) -> Plan[T]:
    """The same plan, whose requests say who is to answer."""
    values: Sequence[Values] | None = None
    while True:
        try:
            asked = plan.send(values)  # type: ignore[arg-type]  # None begins it
        except StopIteration as done:
            return done.value
        values = yield [(surface, atoms) for atoms in asked]


def _bare(atoms: Atoms) -> Atoms:
    """Without what a plan may have attached: only what is computed makes the structure."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
