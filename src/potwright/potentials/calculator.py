"""The ASE calculator of a committee: what people take away."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from potwright.errors import InputError
from potwright.geometry import engine_pbc
from potwright.potentials.error_bars import ErrorBars, UncertaintyWarning

if TYPE_CHECKING:
    from potwright.potentials.protocol import Evaluator, MemberValues


class CommitteeCalculator(Calculator):
    """Energy, forces and stress of a committee, with the members' disagreement and error bars.

    A structure that is periodic in some direction is evaluated as periodic in all, in the cell it
    has: give it vacuum along the others, wider than the models' cutoff. ``results`` also holds

    - ``energy_disagreement`` (eV/atom), ``forces_disagreement`` (N,) (eV/Å, per atom),
      ``stress_disagreement`` (eV/Å³): the spread of the members (paper, Eq. 1);
    - with a calibration: ``energy_uncertainty`` (eV/atom), ``forces_uncertainty`` (N,) (eV/Å) and
      ``stress_uncertainty`` (eV/Å³), the error bar of the value that is returned.
      :attr:`meaning` says in words what each of them is.

    Parameters
    ----------
    evaluator
        The members.
    error_bars
        From a calibration, see :func:`~potwright.potentials.error_bars.error_bars`. Where they
        should not be believed, an :class:`UncertaintyWarning` says so once.
    member
        Return this member's values; by default those of the committee mean.

    Attributes
    ----------
    meaning
        Of the error bars of ``energy``, ``forces`` and ``stress``, in words.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self,
        evaluator: Evaluator,
        error_bars: ErrorBars | None = None,
        member: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        error_bars = error_bars or ErrorBars()
        self._evaluator = evaluator
        self._bars = error_bars.bars
        self._member = member
        self.meaning = dict(error_bars.meaning)
        if member is not None:
            for name, bar in self._bars.items():
                how = "in quadrature" if bar.level is None else "added"
                self.meaning[name] += f"; of member {member}: its distance from the mean {how}"
        if error_bars.doubts:
            warnings.warn(
                "error bars of this committee that should not be believed: "
                + "; ".join(error_bars.doubts),
                UncertaintyWarning,
                stacklevel=3,
            )

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate all members on ``atoms``.

        Raises
        ------
        InputError
            If a periodic structure has no three independent lattice vectors.
        """
        super().calculate(atoms, properties, system_changes)
        seen = self.atoms.copy()
        if seen.pbc.any() and seen.cell.rank < 3:
            raise InputError(
                f"{seen.get_chemical_formula()}: periodic along some lattice vectors, and without "
                "others; give it vacuum there: atoms.center(vacuum=7.5, axis=2)"
            )
        seen.pbc = engine_pbc(seen.pbc)
        values = self._evaluator([seen])
        returned = self._returned(values)
        self.results = {"energy": float(returned["energy"]), "forces": returned["forces"]}
        self.results["free_energy"] = self.results["energy"]
        names = ["energy", "forces"]
        if seen.pbc.any():
            self.results["stress"] = returned["stress"]
            names.append("stress")
        for name in names:
            spread, distance = _spread(name, values, returned[name], len(seen))
            self.results[f"{name}_disagreement"] = spread
            if name in self._bars:
                bar = self._bars[name]
                self.results[f"{name}_uncertainty"] = (
                    bar.of_mean(spread) if self._member is None else bar.of_member(spread, distance)
                )

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last evaluation; ASE asks several times in a step."""
        known = self.atoms
        if known is not None and all(
            np.array_equal(now, before)
            for now, before in (
                (atoms.positions, known.positions),
                (atoms.cell.array, known.cell.array),
                (atoms.numbers, known.numbers),
                (atoms.pbc, known.pbc),
            )
        ):
            return []
        changed: list[str] = super().check_state(atoms, tol)
        return changed

    def _returned(self, values: MemberValues) -> dict[str, np.ndarray]:
        by_member = {
            "energy": values.energy[:, 0],
            "forces": values.forces,
            "stress": values.stress[:, 0],
        }
        if self._member is None:
            return {name: value.mean(axis=0) for name, value in by_member.items()}
        return {name: value[self._member] for name, value in by_member.items()}


def chosen_member(member: int | None, members: int) -> int | None:
    """The member that is asked for.

    Raises
    ------
    InputError
        If there is no such member.
    """
    if member is not None and not 0 <= member < members:
        raise InputError(f"member {member}: this committee has members 0 to {members - 1}")
    return member


def _spread(
    name: str, values: MemberValues, returned: np.ndarray, atoms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Disagreement of the members, and the distance of what is returned from their mean."""
    if name == "energy":
        energy = values.energy[:, 0]
        return energy.std() / atoms, abs(returned - energy.mean()) / atoms
    of_members = values.forces if name == "forces" else values.stress[:, 0]
    offset = returned - of_members.mean(axis=0)
    return (
        np.sqrt(of_members.var(axis=0).mean(axis=-1)),
        np.sqrt((offset**2).mean(axis=-1)),
    )
