"""Parameters of the tests of glasses and alloys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self, TypeVar

import numpy as np
from pydantic import Field, field_validator, model_validator

from potwright.dynamics import (
    AseEngine,
    Conditions,
    MDEngineParameters,
    Schedule,
    ensemble_of,
    strain_of,
)
from potwright.parameters import Parameters

PERIODIC = np.ones(3, dtype=bool)
Symbols = TypeVar("Symbols", dict[str, int], tuple[str, str])


class MeltQuenchParameters(Parameters):
    """Radial distribution after melt and quench at constant volume.

    Attributes
    ----------
    enabled, dispersion
        As in :class:`EquationOfStateParameters`.
    species
        Atoms of each element.
    density_g_per_cm3
        Of the cube that they fill.
    melt_kelvin, melt_ps, quench_ps, final_kelvin, sample_ps
        Temperature and length of the melt, length of the linear quench, temperature and length of
        what is sampled.
    frames
        Of the sample.
    timestep_fs
        Of all.
    engine
        Of the dynamics; its ensemble holds the cell, and with it the density.
    largest_angstrom, bin_angstrom
        Of g(r).
    reference_file
        g(r) of somebody else's: two columns, r in Å and g.
    reference_dynamics
        Whether the quantum engine melts and quenches, too: all steps at its cost.
    """

    enabled: bool = False
    species: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    density_g_per_cm3: float = Field(default=3.5, gt=0)
    melt_kelvin: float = Field(default=8000.0, gt=0)
    melt_ps: float = Field(default=2.0, gt=0)
    quench_ps: float = Field(default=0.5, gt=0)
    final_kelvin: float = Field(default=300.0, gt=0)
    sample_ps: float = Field(default=1.0, gt=0)
    frames: int = Field(default=20, ge=1)
    timestep_fs: float = Field(default=0.5, gt=0)
    engine: MDEngineParameters = AseEngine(ensemble="nvt")
    largest_angstrom: float = Field(default=6.0, gt=0)
    bin_angstrom: float = Field(default=0.05, gt=0)
    reference_file: Path | None = None
    reference_dynamics: bool = False
    dispersion: bool = True

    @field_validator("species")
    @classmethod
    def _are_elements(cls, species: dict[str, int]) -> dict[str, int]:
        return _elements(species)

    @field_validator("engine")
    @classmethod
    def _holds_the_cell(cls, engine: MDEngineParameters) -> MDEngineParameters:
        if strain_of(engine.ensemble, PERIODIC) != "none":
            raise ValueError(
                f"ensemble {engine.ensemble!r} moves the cell, and the density with it; write "
                f"engine: {{type: {engine.type}, ensemble: nvt}}, or langevin (a block of another "
                "type begins anew, with ensemble auto)"
            )
        return engine

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        if self.enabled and not self.species:
            raise ValueError("species: there are none; name atoms of each element, such as {C: 64}")
        if self.reference_file is not None and self.reference_dynamics:
            raise ValueError(
                "reference_file and reference_dynamics: there is one reference; set one to null or "
                "the other to false"
            )
        if self.bin_angstrom > self.largest_angstrom:
            raise ValueError(
                f"bin_angstrom: no bin of {self.bin_angstrom:g} Å fits into largest_angstrom, "
                f"{self.largest_angstrom:g} Å"
            )
        for conditions, _ in self.stages:  # a schedule refuses what leaves no frame
            ensemble_of(self.engine.ensemble, PERIODIC, conditions)
        return self

    @property
    def stages(self) -> list[tuple[Conditions, Schedule]]:
        """Melt, quench, sample; the first two leave their end."""
        hot, cold, step = self.melt_kelvin, self.final_kelvin, self.timestep_fs
        melt, quench, sample = (1000 * t for t in (self.melt_ps, self.quench_ps, self.sample_ps))
        ramp = Conditions(hot, final_temperature_kelvin=cold)
        return [
            (Conditions(hot), Schedule(step, melt, melt)),
            (ramp, Schedule(step, quench, quench)),
            (Conditions(cold), Schedule(step, sample, sample / self.frames)),
        ]


class AlloyParameters(Parameters):
    """Formation-energy difference of two phases over composition.

    Attributes
    ----------
    enabled, dispersion
        As in :class:`EquationOfStateParameters`.
    species
        The two that exchange sites; compositions are shares of the second.
    phases
        Two, by name: the prototypes of the pure ends, first and second species, with the same atoms
        in the same order.
    compositions
        Shares of the second species.
    realisations
        Special quasirandom structures of each composition.
    iterations
        Arrangements that are tried for each.
    min_length_angstrom
        Of their supercell.
    relax
        Whether each is relaxed, with its cell, on every surface; else lattices are Vegard's.
    max_force_ev_per_angstrom, max_steps
        Where relaxations end.
    """

    enabled: bool = False
    species: tuple[str, str] = ("Mo", "W")
    phases: dict[str, tuple[str, str]] = Field(default_factory=dict)
    compositions: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    realisations: int = Field(default=10, ge=1)
    iterations: int = Field(default=10_000, ge=1)
    min_length_angstrom: float = Field(default=12.0, gt=0)
    relax: bool = False
    max_force_ev_per_angstrom: float = Field(default=0.02, gt=0)
    max_steps: int = Field(default=200, ge=1)
    dispersion: bool = False

    @property
    def prototypes(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(name for ends in self.phases.values() for name in ends)

    @field_validator("species")
    @classmethod
    def _are_elements(cls, species: tuple[str, str]) -> tuple[str, str]:
        return _elements(species)

    @field_validator("compositions")
    @classmethod
    def _are_shares(cls, compositions: tuple[float, ...]) -> tuple[float, ...]:
        if not compositions or min(compositions) < 0 or max(compositions) > 1:
            raise ValueError("give shares of the second species, from 0 to 1")
        return tuple(sorted(compositions))

    @model_validator(mode="after")
    def _has_two_phases(self) -> Self:
        if self.enabled and len(self.phases) != 2:
            raise ValueError("phases: name two, each with the prototypes of its ends")
        return self


def _elements(species: Symbols) -> Symbols:
    from ase.data import atomic_numbers

    for symbol in species:
        if symbol not in atomic_numbers:
            raise ValueError(f"{symbol!r} is not the symbol of an element")
    return species
