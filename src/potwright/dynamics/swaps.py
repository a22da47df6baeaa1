"""Exchanges of unlike atoms during dynamics: Monte Carlo for alloys.

Diffusion is slow, order in an alloy is not found by waiting for it. Every few steps two atoms of
different elements exchange their places, and keep their momenta; the exchange stays with the
probability

    min(1, exp(−ΔE / k T) n / n′)

(N. Metropolis et al., J. Chem. Phys. 21, 1087, 1953; W. K. Hastings, Biometrika 57, 97, 1970).
n and n′ are the numbers of pairs that could have been drawn before and after: with a largest
distance they differ, and without that factor ordered states would be visited too often. Between
exchanges the engine's ensemble is sampled, so that both together sample it with all arrangements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.data import atomic_numbers
from pydantic import Field

from potwright.dynamics.engine import Conditions
from potwright.dynamics.momenta import COLDEST_THERMOSTAT_KELVIN
from potwright.dynamics.motion import Motion
from potwright.dynamics.recording import Recording
from potwright.geometry import complete_cell
from potwright.parameters import Parameters
from potwright.potentials.species import Symbol


class Swaps(Parameters):
    """Which atoms exchange their places, and how often.

    Attributes
    ----------
    enabled
        Whether they do.
    every_steps
        Steps between visits.
    attempts
        Exchanges tried at each visit; each is an evaluation of the potential.
    species
        Elements that take part; None: all.
    max_distance_angstrom
        Only atoms that are closer exchange their places; None: any two.
    """

    enabled: bool = False
    every_steps: int = Field(default=20, ge=1)
    attempts: int = Field(default=1, ge=1)
    species: tuple[Symbol, ...] | None = Field(default=None, min_length=2)
    max_distance_angstrom: float | None = Field(default=None, gt=0)

    def numbers(self, present: np.ndarray) -> np.ndarray:
        """Those of the atomic numbers ``present`` that take part."""
        if self.species is None:
            return np.unique(present)
        return np.intersect1d(present, [atomic_numbers[symbol] for symbol in self.species])


class Swapping:
    """Motion, interrupted by exchanges.

    Parameters
    ----------
    motion
        The equations of motion of an ensemble with a temperature.
    atoms
        That it moves.
    swaps
        As configured.
    recording
        Knows the step, and counts.
    rng
        Of the exchanges.
    """

    def __init__(
        self,
        motion: Motion,
        atoms: Atoms,
        swaps: Swaps,
        recording: Recording,
        rng: np.random.Generator,
    ):
        self._motion, self._atoms, self._recording = motion, atoms, recording
        self._swaps, self._rng = swaps, rng
        self._work = 0.0
        self.take_over = motion.take_over
        targets = recording.conditions.at(recording.schedule.progress(recording.step))
        self._kt = _thermal_energy(targets)

    def steps(self, count: int) -> Iterator[Any]:
        """Steps of the motion, some with exchanges at their end."""
        begin = self._recording.step
        for done, item in enumerate(self._motion.steps(count)):
            if done and (begin + done) % self._swaps.every_steps == 0:
                self._visit()
            yield item

    def _visit(self) -> None:
        atoms, motion = self._atoms, self._motion
        pairs = unlike_pairs(atoms, self._swaps)
        energy = atoms.get_potential_energy()
        rejected = False
        for _ in range(self._swaps.attempts if len(pairs) else 0):
            pair = self._rng.choice(pairs)
            _exchange(atoms, pair)
            motion.take_over()
            new_energy, new_pairs = atoms.get_potential_energy(), unlike_pairs(atoms, self._swaps)
            exponent = (energy - new_energy) / self._kt + np.log(len(pairs) / len(new_pairs))
            rejected = not np.log(self._rng.random()) < exponent  # so it is if energy is no number
            self._recording.count(accepted=not rejected)
            if rejected:
                _exchange(atoms, pair)
            else:
                self._work += new_energy - energy
                energy, pairs = new_energy, new_pairs
        if rejected:
            motion.take_over()

    def conserved_energy(self) -> float:
        """That of the motion, less what exchanges have brought."""
        return self._motion.conserved_energy() - self._work

    def aim(self, conditions: Conditions) -> None:
        """Change the targets of motion and exchanges."""
        self._motion.aim(conditions)
        self._kt = _thermal_energy(conditions)

    def state(self) -> dict[str, Any]:
        """Of the motion, and of the exchanges."""
        rng = self._rng.bit_generator.state
        return {"motion": self._motion.state(), "rng": rng, "work": self._work}

    def restore(self, state: dict[str, Any]) -> None:
        """Of the motion, and of the exchanges."""
        self._motion.restore(state["motion"])
        self._rng.bit_generator.state, self._work = state["rng"], state["work"]


def unlike_pairs(atoms: Atoms, swaps: Swaps) -> np.ndarray:
    """Indices of the pairs that may exchange their places, shape (n, 2), each pair once."""
    from matscipy.neighbours import neighbour_list

    numbers = atoms.numbers
    if swaps.max_distance_angstrom is None:
        first, second = np.triu_indices(len(atoms), 1)
    else:
        first, second = neighbour_list(
            "ij",
            cutoff=swaps.max_distance_angstrom,
            positions=atoms.positions,
            cell=complete_cell(np.array(atoms.cell)),
            pbc=atoms.pbc,
        )
    taking_part = np.isin(numbers, swaps.numbers(numbers))
    fit = (first < second) & (numbers[first] != numbers[second])
    fit &= taking_part[first] & taking_part[second]
    pairs = np.column_stack([first[fit], second[fit]])
    # a pair may meet across several faces of a small cell
    return pairs if swaps.max_distance_angstrom is None else np.unique(pairs, axis=0)


def _thermal_energy(targets: Conditions) -> float:
    return units.kB * max(targets.temperature_kelvin, COLDEST_THERMOSTAT_KELVIN)


def _exchange(atoms: Atoms, pair: np.ndarray) -> None:
    atoms.positions[pair] = atoms.positions[pair[::-1]]
