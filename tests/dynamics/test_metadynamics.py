from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.dynamics import (
    AseEngine,
    Conditions,
    LammpsEngine,
    Metadynamics,
    Moves,
    Schedule,
    Trajectory,
)
from potwright.errors import InputError

HILLS = """
colvar {
  name length
  width 0.1
  distance {
    group1 { atomNumbers $Cu }
    group2 { atomNumbers $Au }
  }
}
metadynamics {
  colvars length
  hillWeight 0.04
  hillWidth 2.0
  newHillFrequency 10
  writeFreeEnergyFile off
}
"""
SPRING = HILLS[: HILLS.index("metadynamics")] + (
    "harmonic {\n colvars length\n centers 2.9\n forceConstant 0.5\n}\n"
)


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


def dimer() -> Atoms:
    return Atoms("CuAu", positions=[[5, 5, 5], [7.35, 5, 5]], cell=[9, 9, 9])


def run(text: str | None, steps: int = 1200, *, kelvin=50, atoms=None, **more: Any) -> Trajectory:
    hills = Metadynamics(enabled=text is not None, colvars=text)
    return LammpsEngine(ensemble="nvt", thermostat_time_fs=50).run_trajectory(
        atoms or dimer(),
        EMTPotential(),
        Conditions(kelvin),
        Schedule(2, 2 * steps, 2 * 5),
        seed=1,
        moves=Moves(metadynamics=hills),
        **more,
    )


def lengths(trajectory: Trajectory) -> np.ndarray:
    return np.array([atoms.get_distance(0, 1) for atoms in trajectory.frames.to_atoms()])


def test_hills_drive_a_bond_to_where_it_never_goes_by_itself():
    plain, driven = lengths(run(None, 300)), lengths(run(HILLS, 600))
    assert np.ptp(plain) < 0.3
    assert np.ptp(driven) > 2 * np.ptp(plain)
    assert np.ptp(driven[-60:]) > np.ptp(driven[:40])  # hills grow


def test_forces_of_colvars_hold_a_length_in_spite_of_the_potential():
    held = run(SPRING, 400)
    emt = []
    for length in (2.85, 2.95):
        atoms = dimer()
        atoms.positions[1, 0] = 5 + length
        atoms.calc = EMT()
        emt.append(atoms.get_forces()[1, 0])
    # the spring has 0.5 eV per width squared, which is 50 eV/Å²
    assert lengths(held)[-40:].mean() == pytest.approx(2.9 + np.mean(emt) / 50, abs=0.03)


def test_frames_have_the_energy_of_the_potential_without_hills():
    driven = run(HILLS, 100)
    (last,) = driven.frames[-1:].to_atoms()
    last.calc = EMT()
    assert driven.potential_energies[-1] == pytest.approx(last.get_potential_energy(), abs=1e-6)


class Killed(BaseException):
    pass


@dataclass(frozen=True)
class Kill:
    is_costly: ClassVar[bool] = False
    at: int
    every: int = 1

    def complaint(self, state):
        if state.step == self.at:
            raise Killed


def test_hills_are_there_after_a_kill(tmp_path):
    whole = run(HILLS, 200)
    kept = {"checkpoint": tmp_path / "c", "checkpoint_interval_steps": 156}
    with pytest.raises(Killed):
        run(HILLS, 200, watches=(Kill(170),), **kept)
    resumed = run(HILLS, 200, watches=(Kill(-1),), **kept)
    assert resumed.steps == whole.steps == 200
    assert np.allclose(lengths(resumed), lengths(whole), atol=1e-6)


def test_groups_are_named_by_element_and_unknown_ones_refused():
    numbers = bulk("NaCl", "rocksalt", a=5.6).repeat((2, 1, 1)).numbers
    text = Metadynamics(colvars="a $all b $Na c $Cl").text_for(numbers)
    assert text.endswith("a 1 2 3 4 b 1 3 c 2 4")
    with pytest.raises(InputError, match=r"\$Mo names no atoms here.*\$all, \$Na, \$Cl"):
        Metadynamics(colvars="a $Mo").text_for(numbers)
    with pytest.raises(InputError, match="followed by all, or by an element"):
        Metadynamics.model_validate({"colvars": "a $ b"})
    with pytest.raises(InputError, match="says nothing"):
        Metadynamics.model_validate({"enabled": True})


def test_ase_refuses_it_and_says_who_can():
    with pytest.raises(InputError, match="inside LAMMPS"):
        AseEngine(ensemble="nvt").run_trajectory(
            dimer(),
            EMTPotential(),
            Conditions(300),
            Schedule(1, 10, 5),
            seed=1,
            moves=Moves(metadynamics=Metadynamics(enabled=True, colvars=HILLS)),
        )


def test_what_colvars_does_not_understand_is_told_of():
    with pytest.raises(InputError, match=r"Colvars does not understand it: no valid components"):
        run(HILLS.replace("distance {", "no_such_thing {"), 10)
