from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
from ase.build import bulk

from potwright.dynamics import AseEngine, Conditions, Schedule
from potwright.potentials.meeting import attending, run_together
from potwright.potentials.protocol import MemberValues


class Recorder:
    """Energy: number of atoms; refuses gold. Notes how many structures come at a time."""

    def __init__(self):
        self.calls: list[int] = []
        self.threads: set[int] = set()

    def __call__(self, structures):
        self.calls.append(len(structures))
        self.threads.add(threading.get_ident())
        if any(79 in atoms.numbers for atoms in structures):
            raise ValueError("no gold")
        sizes = [len(atoms) for atoms in structures]
        forces = np.concatenate([np.full((n, 3), float(n)) for n in sizes])[None]
        return MemberValues(np.array([sizes], float), forces, np.zeros((1, len(sizes), 6)))

    def descriptors(self, structures):
        return np.zeros((1, 1))


def visit(evaluator, crystal, times, seen):
    shared = attending(evaluator)
    for _ in range(times):
        values = shared([crystal])
        assert values.energy.shape == (1, 1) and values.forces.shape == (1, len(crystal), 3)
        assert (values.forces == len(crystal)).all()
        seen.append(float(values.energy[0, 0]))


@pytest.mark.parametrize("guests", [1, 4])
def test_all_that_wait_are_served_together_and_each_gets_its_own(guests):
    evaluator, seen = Recorder(), [[] for _ in range(guests)]
    calls = [
        partial(visit, evaluator, bulk("Cu") * (i + 1, 1, 1), 3 + i, seen[i]) for i in range(guests)
    ]
    assert run_together(calls) == [None] * guests
    assert seen == [[i + 1.0] * (3 + i) for i in range(guests)]
    # the last ones are alone: nobody waits for who has gone
    assert evaluator.calls == {1: [1, 1, 1], 4: [4, 4, 4, 3, 2, 1]}[guests]
    assert evaluator.threads == {threading.get_ident()}


def test_an_error_concerns_only_who_has_asked():
    evaluator, seen = Recorder(), [[], []]
    calls = [partial(visit, evaluator, bulk(s), 2, seen[i]) for i, s in enumerate(("Cu", "Au"))]
    fine, wrong = run_together(calls)
    assert fine is None and seen == [[1.0, 1.0], []]
    assert isinstance(wrong, ValueError) and "no gold" in str(wrong)


def test_outside_a_meeting_nobody_waits():
    evaluator = Recorder()
    assert attending(evaluator) is evaluator


def test_trajectories_together_are_those_that_run_alone(tmp_path, untrained_mace):
    potential = untrained_mace(tmp_path / "m.model", 1, {29: 0.0}, scale=0.3)

    def run(seed: int, kept: dict) -> None:
        crystal = bulk("Cu", cubic=True)
        crystal.rattle(0.02, seed=seed)
        kept[seed] = AseEngine(ensemble="nvt" if seed else "auto").run_trajectory(
            crystal, potential, Conditions(300), Schedule(1, 8 + 2 * seed, 2), seed=seed
        )

    together: dict = {}
    assert run_together([partial(run, seed, together) for seed in range(3)]) == [None] * 3
    alone: dict = {}
    for seed in range(3):
        run(seed, alone)
        assert alone[seed].steps == together[seed].steps == 8 + 2 * seed
        assert np.allclose(alone[seed].frames.positions, together[seed].frames.positions, atol=1e-7)
