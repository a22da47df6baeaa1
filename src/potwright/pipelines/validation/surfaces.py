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
from potwright.execution import ExecutorBlock
from potwright.pes import PESData
from potwright.pipelines.validation import answers
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
from potwright.quantum import Engine, LabelStore
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
    labelling_executor
        Where the engine computes; None: where all do.
    device
        For the potentials.
    dispersion
        What is added where it is asked for.
    members
        Whether every member is a surface of its own, beside the mean.
    retry
        Labels that failed before for one of these reasons are computed again.
    costs
        What was asked for so far: structures from the store, computed, failed, their seconds,
        evaluations of potentials, and steps of dynamics.
    """

    potentials: Mapping[str, NamedCommittee]
    engine: Engine
    store: LabelStore
    executor: ExecutorBlock
    labelling_executor: ExecutorBlock | None = None
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

    def on(self, executor: ExecutorBlock, labelling_executor: ExecutorBlock) -> Surfaces:
        """The same surfaces, computed elsewhere."""
        return replace(
            self, executor=executor, labelling_executor=labelling_executor, costs=Counter()
        )

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

    def dispersion_of(self, name: str) -> Dispersion:
        """What is added to a potential, or to the reference: nothing to whoever contains it."""
        if name == REFERENCE.potential:
            contained = self.engine.includes_dispersion
        else:
            contained = self.potentials[name].includes_dispersion
        return NoDispersion() if contained else self.dispersion

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
                values[place] = (
                    answers.total(value, added[name, id]) if (name, id) in added else value
                )
        return values

    def labelled(self, pes: PESData, *, dispersion: bool) -> tuple[PESData, dict[str, str]]:
        """The structures that the reference can label, with labels; why the others have none."""
        found = self._labels(pes)
        has = np.array([not found[id][0].missing for id in pes.id.tolist()], dtype=bool)
        reasons = {id: found[id][0].missing for id in pes.id[~has].tolist()}
        kept = pes[has]
        if not len(kept):
            return kept, reasons
        added = self._dispersion({REFERENCE.potential: kept}) if dispersion else {}
        values = [
            answers.total(found[id][0], added[REFERENCE.potential, id])
            if (REFERENCE.potential, id) in added
            else found[id][0]
            for id in kept.id.tolist()
        ]
        labelled = kept.replace(
            energy=np.array([one.energy for one in values]),
            forces=np.concatenate([one.forces for one in values]),
            stress=np.array([one.stress for one in values]),
        )
        return labelled, reasons

    def predicted(self, pes: PESData, *, dispersion: bool) -> dict[str, Predictions]:
        """What the members of each potential say of structures, in their order."""
        found: dict[str, list[Predictions]] = {name: [] for name in self.potentials}
        committees = {name: one.committee for name, one in self.potentials.items()}
        wanted = dict.fromkeys(self.potentials, pes)
        for name, part, predicted in answers.predictions(
            wanted, committees, self.executor, self.device
        ):
            self.costs["evaluations of potentials"] += len(part)
            found[name].append(predicted)
        whole = {name: Predictions.concatenate(one).select(pes.id) for name, one in found.items()}
        added = self._dispersion(wanted) if dispersion else {}
        return {
            name: answers.with_added(one, [added[name, id] for id in pes.id.tolist()])
            if (name, pes.id[0]) in added
            else one
            for name, one in whole.items()
        }

    # ---------------------------------------------------------------- who computes

    def _labels(self, pes: PESData) -> dict[str, list[Values]]:
        """Of the reference, through the label store."""
        known = self.store.look(pes.id.tolist(), self.engine.level_of_theory())
        outcomes = label_structures(
            pes,
            self.store,
            self.engine,
            self.labelling_executor or self.executor,
            retry=self.retry,
            all_may_fail=True,
            description="",
        )
        self.costs["labels"] += len(outcomes.labels)
        computed = outcomes.computed - known.keys()  # by this very run
        self.costs["labels computed"] += len(computed)
        self.costs["labels failed"] += len(outcomes.failures)
        seconds = [outcomes.labels[i].seconds for i in computed if i in outcomes.labels]
        self.costs["seconds of labelling"] += round(sum(seconds))
        found = {id: [answers.of_label(label)] for id, label in outcomes.labels.items()}
        sizes = dict(zip(pes.id.tolist(), pes.n_atoms.tolist(), strict=True))
        for id, failure in outcomes.failures.items():
            found[id] = [Values.none(sizes[id], f"{failure.reason}: {failure.message}")]
        return found

    def _predictions(self, wanted: Mapping[str, PESData]) -> dict[str, dict[str, list[Values]]]:
        """Of all members of potentials, and last of their means, in the executor's workers."""
        found: dict[str, dict[str, list[Values]]] = {name: {} for name in wanted}
        committees = {name: self.potentials[name].committee for name in wanted}
        for name, part, predicted in answers.predictions(
            wanted, committees, self.executor, self.device
        ):
            self.costs["evaluations of potentials"] += len(part)
            found[name] |= answers.by_member(predicted, part)
        return found

    def _dispersion(self, wanted: Mapping[str, PESData]) -> dict[tuple[str, str], Values]:
        """What is added to whoever lacks it, by potential and structure."""
        calculator = self.dispersion.calculator()
        if calculator is None:
            return {}
        lacking = [name for name in wanted if self.dispersion_of(name) is self.dispersion]
        known: dict[str, Values] = {}
        for name in lacking:
            for id, atoms in zip(wanted[name].id.tolist(), wanted[name].to_atoms(), strict=True):
                known[id] = known.get(id) or answers.calculated(atoms, calculator)
        return {(name, id): known[id] for name in lacking for id in wanted[name].id.tolist()}


def surface_of(key: Any) -> Surface:
    """The surface that a key of :meth:`Surfaces.carry_out_all` names."""
    return key if isinstance(key, Surface) else key[0]


def _row(surface: Surface) -> int:
    """Where a surface's values are in the list of its potential; the mean is the last."""
    return -1 if surface.member is None else surface.member


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
