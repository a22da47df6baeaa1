"""Plans: physical tests that do not know who answers them.

A plan is a generator. It yields structures, is sent what a potential-energy surface says of them,
and returns what it has measured. The same plan is carried out by an ASE calculator, by the members
of a committee, or by a quantum engine behind a label store; many plans are carried out side by
side, so that all that they ask for in a round is evaluated at once.

>>> def energy_of(atoms):
...     [values] = yield [atoms]
...     return values.energy
>>> from ase.build import bulk
>>> from ase.calculators.emt import EMT
>>> round(carry_out(energy_of(bulk("Cu")), EMT()), 3)
-0.006
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator

from potwright.geometry import engine_pbc


class Values(NamedTuple):
    """What a surface says of a structure with n atoms.

    Attributes
    ----------
    energy
        eV.
    forces
        Shape (n, 3), eV/Å.
    stress
        Shape (6,), ASE's sign and Voigt order, per volume of the cell, eV/Å³; NaN where there is
        none.
    missing
        Why there are no values; all of the above are NaN then. Empty where there are.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray
    missing: str = ""

    @classmethod
    def none(cls, n_atoms: int, why: str) -> Values:
        """What stands for values that could not be had."""
        return cls(np.nan, np.full((n_atoms, 3), np.nan), np.full(6, np.nan), why)

    def on(self, atoms: Atoms) -> SinglePointCalculator:
        """A calculator that knows these values for these atoms."""
        return SinglePointCalculator(
            atoms, energy=self.energy, forces=self.forces, stress=self.stress
        )


class NoResultError(Exception):
    """A plan cannot be carried out to its end on a surface; the message says why."""


T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Plan = Generator[Sequence[Atoms], Sequence[Values], T]


def together(plans: Mapping[K, Plan[T]]) -> Plan[dict[K, T | NoResultError]]:
    """One plan that carries out many side by side; one that fails does not stop the others.

    Returns
    -------
    dict
        By key what each plan returns, or the :class:`NoResultError` that ended it.
    """
    ended: dict[K, T | NoResultError] = {}
    asked: dict[K, Sequence[Atoms]] = {}
    answers: dict[K, Sequence[Values] | None] = dict.fromkeys(plans)
    while len(ended) < len(plans):
        for key, plan in plans.items():
            if key in ended:
                continue
            try:
                asked[key] = plan.send(answers[key])  # type: ignore[arg-type]  # None begins it
            except StopIteration as done:
                ended[key] = done.value
            except NoResultError as why:
                ended[key] = why
        asked = {key: structures for key, structures in asked.items() if key not in ended}
        if not asked:
            continue
        values = yield [atoms for structures in asked.values() for atoms in structures]
        start = 0
        for key, structures in asked.items():
            answers[key] = values[start : start + len(structures)]
            start += len(structures)
    return {key: ended[key] for key in plans}


def in_supercells(plan: Plan[T], repeats: tuple[int, int, int]) -> Plan[T]:
    """The same plan, with each structure evaluated as a supercell of itself.

    For engines that sample the Γ point only. Energies are divided and forces averaged over the
    images of the cell, so that the plan sees what it asked for.

    Parameters
    ----------
    plan
        What is measured.
    repeats
        Copies along the lattice vectors of each structure that the plan asks for.
    """
    images = int(np.prod(repeats))
    if images == 1:
        return (yield from plan)
    values: Sequence[Values] | None = None
    while True:
        try:
            structures = plan.send(values)  # type: ignore[arg-type]  # None begins it
        except StopIteration as done:
            return done.value
        found = yield [atoms.repeat(repeats) for atoms in structures]
        values = [_folded(one, images) for one in found]


def carry_out(plan: Plan[T], calculator: Any) -> T:
    """Carry a plan out with an ASE calculator, one structure after the other.

    Structures that are periodic along some axis are shown to it as periodic along all.

    Raises
    ------
    NoResultError
        If the plan cannot be carried out to its end.
    """

    def evaluate(structures: Sequence[Atoms]) -> list[Values]:
        return [_calculated(atoms, calculator) for atoms in structures]

    return answer(plan, evaluate)


def answer(plan: Plan[T], evaluate: Callable[[Sequence[Atoms]], Sequence[Values]]) -> T:
    """Carry a plan out with a function that evaluates many structures at once."""
    values: Sequence[Values] | None = None
    while True:
        try:
            values = evaluate(plan.send(values))  # type: ignore[arg-type]  # None begins it
        except StopIteration as done:
            return done.value


def _calculated(atoms: Atoms, calculator: Any) -> Values:
    seen = atoms.copy()
    seen.set_constraint()
    seen.pbc = engine_pbc(atoms.pbc)
    seen.calc = calculator
    energy, forces = float(seen.get_potential_energy()), np.array(seen.get_forces())
    stress = np.full(6, np.nan)
    if atoms.pbc.any():
        with contextlib.suppress(PropertyNotImplementedError):
            stress = np.array(seen.get_stress())
    return Values(energy, forces, stress)


def _folded(values: Values, images: int) -> Values:
    """Of the cell, from those of its supercell: the atoms of an image stand together."""
    forces = values.forces.reshape(images, -1, 3).mean(axis=0)
    return values._replace(energy=values.energy / images, forces=forces)
