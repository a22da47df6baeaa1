from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.dynamics import AseEngine, Conditions, LammpsEngine, Moves, Schedule, Swaps
from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.recording import Recording
from potwright.dynamics.swaps import Swapping, unlike_pairs
from potwright.errors import InputError

KELVIN = 900.0
ENGINES = [AseEngine, LammpsEngine]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=["ase", "lammps"])


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


class Chain:
    """Sites of a chain, 2 Å apart: like neighbours attract, and gold likes some sites."""

    field = np.array([0.0, 0.06, -0.03, 0.09])

    def get_potential_energy(self, atoms, force_consistent=False):
        occupants = np.array(arrangement(atoms))
        bonds = -0.05 * np.sum(occupants[1:] == occupants[:-1])
        return float(bonds + self.field[occupants == 79].sum())


class Still:
    """Nothing moves between exchanges."""

    def steps(self, count):
        yield from range(count + 1)

    def take_over(self, *_):
        pass

    aim = restore = state = conserved_energy = take_over


def chain() -> Atoms:
    atoms = Atoms("Cu2Au2", positions=[[2.0 * i, 0, 0] for i in range(4)])
    atoms.calc = Chain()
    return atoms


def arrangement(atoms: Atoms) -> tuple[int, ...]:
    return tuple(atoms.numbers[np.argsort(atoms.positions[:, 0])].tolist())


def boltzmann() -> dict[tuple[int, ...], float]:
    weights = {}
    for numbers in set(permutations([29, 29, 79, 79])):
        atoms = chain()
        atoms.numbers[:] = numbers
        weights[numbers] = np.exp(-atoms.get_potential_energy() / (units.kB * KELVIN))
    return {key: weight / sum(weights.values()) for key, weight in weights.items()}


@pytest.mark.parametrize("max_distance", [None, 2.5])
def test_exchanges_alone_visit_each_arrangement_as_often_as_boltzmann_says(max_distance):
    # neighbours only: 1 to 3 unlike pairs, so that what can be drawn depends on the arrangement
    atoms, count = chain(), 6000
    swaps = Swaps(enabled=True, every_steps=1, max_distance_angstrom=max_distance)
    schedule = Schedule(1, count, count)
    recording = Recording(EngineFrame.of(atoms), atoms.copy(), Conditions(KELVIN), schedule)
    swapping = Swapping(Still(), atoms, swaps, recording, np.random.default_rng(5))
    visits = [arrangement(atoms) for _ in swapping.steps(count)]
    assert recording.moves_tried == count and 0.3 < recording.moves_accepted / count < 0.9
    expected = boltzmann()
    assert len(expected) == 6 and max(expected.values()) > 3 * min(expected.values())
    blocks = [
        Counter(part)
        for part in (visits[i : i + count // 20] for i in range(0, count, count // 20))
    ]
    for key, probability in expected.items():
        shares = np.array([block[key] / sum(block.values()) for block in blocks])
        error = shares.std(ddof=1) / np.sqrt(len(shares))
        assert abs(shares.mean() - probability) < 4 * error
        assert error < 0.15 * probability + 0.002


def alloy() -> Atoms:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.numbers[[0, 3, 5]] = 79
    atoms.set_cell(atoms.cell * 1.06, scale_atoms=True)
    atoms.positions += np.random.default_rng(1).normal(0, 0.03, atoms.positions.shape) + 9
    return atoms


@every_engine
@pytest.mark.parametrize("ensemble", ["auto", "nvt"])
def test_what_is_conserved_without_exchanges_is_conserved_with_them(engine, ensemble):
    swaps = Swaps(enabled=True, every_steps=3, attempts=2)
    plain, swapped = (
        engine(ensemble=ensemble).run_trajectory(
            alloy(), EMTPotential(), Conditions(900), Schedule(1, 60, 2), seed=2, moves=moves
        )
        for moves in (Moves(), Moves(swaps=swaps))
    )
    assert plain.moves_tried == 0 and swapped.moves_tried == 40
    assert 5 < swapped.moves_accepted < 38
    drift = np.ptp(swapped.conserved_energies)
    assert drift < 3 * np.ptp(plain.conserved_energies) + 0.01
    assert np.ptp(swapped.potential_energies) > 10 * drift
    kept = swapped.frames.numbers.reshape(30, 8)
    assert (kept == alloy().numbers).all()  # places are exchanged, not elements


@every_engine
def test_a_killed_trajectory_with_exchanges_goes_on_from_its_checkpoint(
    engine, killed_at, tmp_path
):
    def until(step: int, checkpoint=None):
        return engine().run_trajectory(
            alloy(),
            EMTPotential(),
            Conditions(900, final_temperature_kelvin=1200),
            Schedule(1, 40, 4),
            seed=2,
            moves=Moves(swaps=Swaps(enabled=True, every_steps=2)),
            watches=(killed_at(step),),
            checkpoint=checkpoint,
            checkpoint_interval_steps=10,
        )

    whole = until(1000)
    with pytest.raises(killed_at.Killed):
        until(26, tmp_path / "checkpoint")
    resumed = until(1000, tmp_path / "checkpoint")
    assert whole.moves_tried == resumed.moves_tried == 20
    assert whole.moves_accepted == resumed.moves_accepted > 3
    assert np.allclose(resumed.frames.positions, whole.frames.positions, atol=1e-6)
    assert np.allclose(resumed.conserved_energies, whole.conserved_energies, atol=1e-6)


def test_only_elements_and_neighbours_that_are_asked_for_take_part():
    atoms = Atoms("CuAgAuCu", positions=[[2.0 * i, 0, 0] for i in range(4)])
    assert len(unlike_pairs(atoms, Swaps())) == 5
    assert unlike_pairs(atoms, Swaps(species=("Au", "Cu"))).tolist() == [[0, 2], [2, 3]]
    near = unlike_pairs(atoms, Swaps(species=("Au", "Cu"), max_distance_angstrom=2.5))
    assert near.tolist() == [[2, 3]]
    ring = Atoms("CuAu", positions=[[0, 0, 0], [2, 0, 0]], cell=[4, 9, 9], pbc=(1, 0, 0))
    assert unlike_pairs(ring, Swaps(max_distance_angstrom=2.5)).tolist() == [[0, 1]]  # once


@every_engine
def test_one_element_and_relaxation_exchange_nothing(engine):
    moves = Moves(swaps=Swaps(enabled=True, every_steps=1))
    for atoms, kelvin in ((bulk("Cu", cubic=True), 300), (alloy(), 0)):
        conditions, schedule = Conditions(kelvin), Schedule(1, 6, 2)
        done = engine().run_trajectory(
            atoms, EMTPotential(), conditions, schedule, seed=1, moves=moves
        )
        assert done.moves_tried == 0 and done.completed


@every_engine
def test_exchanges_without_temperature_are_refused(engine):
    moves = Moves(swaps=Swaps(enabled=True))
    with pytest.raises(InputError, match="nothing holds the temperature"):
        engine(ensemble="nve").run_trajectory(
            alloy(), EMTPotential(), Conditions(300), Schedule(1, 6, 2), seed=1, moves=moves
        )
