"""A trained committee as teacher: an earlier campaign, or a foundation model, labels."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ase import Atoms
from ase.calculators.calculator import Calculator

from potwright.errors import InputError
from potwright.parameters import Device, Parameters
from potwright.quantum.level_of_theory import LevelOfTheory

if TYPE_CHECKING:
    from potwright.potentials import Committee


class CommitteeEngine(Parameters):
    """The mean of a committee: energy, forces and stress.

    Attributes
    ----------
    path
        Folder of the committee, as a campaign leaves it in ``data/06_models``.
    includes_dispersion
        Whether the labels that it learnt from contain dispersion, which must then not be added in
        dynamics.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; not part of the level of theory.
    """

    gamma_only: ClassVar[bool] = False
    min_length_angstrom: ClassVar[float | None] = None
    recoveries: ClassVar[tuple[str, ...]] = ()

    type: Literal["committee"] = "committee"
    path: Path
    includes_dispersion: bool
    device: Device = "auto"

    def elements(self) -> frozenset[int] | None:
        """What it was trained on, or what its models know if no record says so."""
        return self._committee().species

    def verify(self) -> None:
        """Open the committee and find the device.

        Raises
        ------
        InputError
            If ``path`` is not a complete committee, or the device is not there.
        """
        from potwright.potentials.devices import resolve_device

        try:
            self._committee()
        except InputError as error:
            raise InputError(f"labelling.engine.path: {error}") from error
        resolve_device(self.device)

    def level_of_theory(self) -> LevelOfTheory:
        """The members by content, wherever they lie, and the version of what evaluates them."""
        from potwright.potentials.backends import backend_of
        from potwright.potentials.content import checksum

        committee = self._committee()
        settings = {
            "backend": committee.backend,
            "members": sorted(checksum(member.path) for member in committee.members),
        }
        return LevelOfTheory("committee", version(backend_of(committee.backend).package), settings)

    def make_calculator(self, structure: Atoms, recovery: str = "") -> Calculator:
        """A calculator of the mean; the models are loaded once per process."""
        return self._committee().calculator(calibration={}, device=self.device)

    def _committee(self) -> Committee:
        from potwright.potentials import load_committee

        return load_committee(self.path)
