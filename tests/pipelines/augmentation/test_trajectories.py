"""Frames of a user's trajectories enter as they are: which ones, and what is kept of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import thermalize_momenta
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.datasets import StructuresDataset
from potwright.errors import InputError
from potwright.geometry import empty_gaps
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import Geometry
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.augmentation.trajectories import choose_frames, rms_displacement


def run_md(atoms: Atoms, path: Path, steps: int = 20) -> None:
    """Real dynamics at 600 K, a frame each step, the first one included."""
    atoms.calc = EMT()
    thermalize_momenta(atoms, temperature_K=600, rng=np.random.default_rng(1))
    dynamics = VelocityVerlet(atoms, 2 * units.fs, trajectory=str(path))
    dynamics.run(steps)


@pytest.fixture(scope="module")
def trajectories(tmp_path_factory: pytest.TempPathFactory) -> PESData:
    """Two runs of a crystal in folders of their own, one of a sheet, and a relaxation."""
    folder = tmp_path_factory.mktemp("trajectories")
    for name in ("hot", "hotter"):
        (folder / name).mkdir()
        run_md(bulk("Cu", cubic=True) * (1, 1, 2), folder / name / "md.traj")
    run_md(fcc111("Cu", (2, 2, 2), vacuum=4.0), folder / "sheet.traj")
    crystal = bulk("Cu", a=3.8, cubic=True)
    crystal.rattle(0.3, seed=1)
    crystal.calc = EMT()
    BFGS(crystal, trajectory=str(folder / "relaxation.traj"), logfile=None).run(fmax=1e-3)
    loaded: PESData = StructuresDataset(filepath=str(folder)).load()
    return loaded


def choose(trajectories: PESData, **block: Any) -> PESData:
    parameters = AugmentationParameters.model_validate({"trajectories": block})
    return choose_frames(trajectories, parameters)


def frames_of(pes: PESData, file: str) -> list[int]:
    """Numbers of the frames that are from ``file``."""
    parts = [source.rpartition("#") for source in pes.source.tolist()]
    return [int(number) for name, _, number in parts if name == file]


def test_frames_are_spread_evenly_and_keep_their_names(trajectories: PESData) -> None:
    chosen = choose(trajectories, max_frames=5)
    assert frames_of(trajectories, "hot/md.traj") == list(range(21))
    assert frames_of(chosen, "hot/md.traj") == [0, 5, 10, 15, 20]
    assert frames_of(chosen, "hotter/md.traj") == [0, 5, 10, 15, 20]
    assert set(chosen.origin) == {"trajectory"}


def test_each_how_manieth_frame(trajectories: PESData) -> None:
    chosen = choose(trajectories, every=7, max_frames=None)
    assert frames_of(chosen, "sheet.traj") == [0, 7, 14]


def test_the_frames_of_a_file_are_one_group(trajectories: PESData) -> None:
    """Files of one name in two folders are two trajectories."""
    chosen = choose(trajectories, max_frames=5)
    files = [source.rpartition("#")[0] for source in chosen.source.tolist()]
    assert len(set(zip(files, chosen.group.tolist(), strict=True))) == 4
    assert len(set(chosen.group)) == 4
    assert not set(chosen.group) & set(chosen.id)


def test_frames_are_the_very_frames_of_the_run(trajectories: PESData) -> None:
    chosen = choose(trajectories, max_frames=3)
    crystals = chosen[np.array([name.startswith("hot") for name in chosen.source.tolist()])]
    assert (trajectories.index_of(crystals.id) >= 0).all()
    assert crystals.pbc.all()


def test_labels_and_velocities_are_left_behind_and_labels_counted(
    trajectories: PESData, caplog: pytest.LogCaptureFixture
) -> None:
    assert trajectories.has_labels.all()
    with caplog.at_level(logging.INFO):
        chosen = choose(trajectories, max_frames=5)
    assert f"{len(chosen)} of {len(chosen)} frames bring labels" in caplog.text
    assert not chosen.has_labels.any()
    assert np.isnan(chosen.forces).all()
    left_behind = {"results", "arrays", "constraints", "input_id"}
    assert not any(left_behind & info.keys() for info in chosen.info)
    assert set(chosen.split) == {"unassigned"}


def test_sheets_get_their_vacuum(trajectories: PESData) -> None:
    chosen = choose(trajectories, max_frames=5)
    sheets = chosen[np.array([name.startswith("sheet") for name in chosen.source.tolist()])]
    assert sheets.pbc.tolist() == [[True, True, False]] * 5
    for atoms in sheets.to_atoms():
        assert empty_gaps(atoms.positions, atoms.cell.array)[2] >= 15 - 1e-6


def test_near_duplicates_are_left_out(trajectories: PESData) -> None:
    """The end of a relaxation hardly moves; the steps that are left all do."""
    limit = 0.05
    chosen = choose(trajectories, min_rms_displacement_angstrom=limit, max_frames=None)
    all_frames = frames_of(trajectories, "relaxation.traj")
    kept = frames_of(chosen, "relaxation.traj")
    assert 1 < len(kept) < len(all_frames)
    assert kept[0] == 0
    relaxed = chosen[np.array([s.startswith("relaxation") for s in chosen.source.tolist()])]
    moved = np.diff([atoms.positions for atoms in relaxed.to_atoms()], axis=0)
    moved -= moved.mean(axis=1, keepdims=True)
    assert (np.sqrt((moved**2).sum(axis=2).mean(axis=1)) >= limit).all()


def test_none_are_no_mistake() -> None:
    assert len(choose(PESData.empty())) == 0


def test_an_empty_gap_is_warned_of_once_a_file(caplog: pytest.LogCaptureFixture) -> None:
    slab = fcc111("Cu", (1, 1, 2), vacuum=6.0)
    slab.pbc = True
    frames = PESData.from_atoms([slab] * 4, source=[f"run.xyz#{i}" for i in range(4)])
    with caplog.at_level(logging.WARNING):
        choose(frames)
    assert caplog.text.count("periodic along all axes, but") == 1
    assert "run.xyz#0" in caplog.text


def test_a_cell_without_volume_is_refused_and_named() -> None:
    flat = bulk("Cu", cubic=True)
    flat.cell[2] = flat.cell[1]
    frames = PESData.from_atoms([bulk("Cu", cubic=True), flat], source=["a.xyz#0", "a.xyz#1"])
    with pytest.raises(InputError, match=r"a\.xyz#1: its cell has no volume"):
        choose(frames)


# ---------------------------------------------------------------- displacement

SIDES = st.tuples(*[st.floats(3.0, 8.0)] * 3)
SKEWS = st.tuples(*[st.floats(-2.0, 2.0)] * 3)
PERIODIC = st.tuples(*[st.booleans()] * 3)


def geometry(atoms: Atoms) -> Geometry:
    return Geometry(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)


@settings(max_examples=40, deadline=None)
@given(SIDES, SKEWS, PERIODIC, st.integers(0, 99))
def test_displacement_is_that_of_the_atoms(sides, skews, pbc, seed) -> None:
    """Whatever the cell: images and a drift of everything do not count."""
    rng = np.random.default_rng(seed)
    cell = np.diag(sides)
    cell[np.tril_indices(3, -1)] = skews
    before = Atoms("Cu5", positions=rng.uniform(0, 5, (5, 3)), cell=cell, pbc=pbc)
    moved = rng.normal(0, 0.05, (5, 3))
    moved -= moved.mean(axis=0)
    after = before.copy()
    images = rng.integers(-2, 3, (5, 3)) * np.array(pbc)
    after.positions += moved + rng.uniform(-0.3, 0.3, 3) + images @ cell
    expected = np.sqrt((moved**2).sum(axis=1).mean())
    assert rms_displacement(geometry(before), geometry(after)) == pytest.approx(expected, abs=1e-9)


def test_a_strain_counts_as_much_as_it_moves_atoms_that_fill_the_cell() -> None:
    before = bulk("Cu", cubic=True) * (6, 6, 6)
    after = before.copy()
    after.set_cell(before.cell * 1.02, scale_atoms=True)
    moved = after.positions - before.positions
    moved -= moved.mean(axis=0)
    expected = np.sqrt((moved**2).sum(axis=1).mean())
    found = rms_displacement(geometry(before), geometry(after))
    assert found == pytest.approx(expected, rel=0.02)


def test_another_number_of_atoms_is_never_a_near_duplicate() -> None:
    crystal = bulk("Cu", cubic=True)
    assert rms_displacement(geometry(crystal), geometry(crystal[1:])) == np.inf


# ---------------------------------------------------------------- formats


def write_dump(path: Path, frames: list[Atoms], columns: str) -> None:
    """A LAMMPS dump as ``dump … custom`` writes it; Cu is type 1 and Au type 2."""
    lines = []
    for step, atoms in enumerate(frames):
        lines += ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", str(len(atoms))]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *(f"0.0 {side}" for side in atoms.cell.lengths())]
        lines += [f"ITEM: ATOMS {columns}"]
        for i, atom in enumerate(atoms):
            known = {"id": i + 1, "type": {29: 1, 79: 2}[atom.number], "element": atom.symbol}
            known |= dict(zip("xyz", atom.position.tolist(), strict=True))
            lines.append(" ".join(str(known[name]) for name in columns.split()))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def frames() -> list[Atoms]:
    found = []
    for seed in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.numbers[0] = 79
        atoms.rattle(0.05, seed=seed)
        found.append(atoms)
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [("md.extxyz", {}), ("md.traj", {}), ("XDATCAR", {"format": "vasp-xdatcar"})],
)
def test_formats_that_ase_writes(tmp_path: Path, frames: list[Atoms], name, options) -> None:
    frames = [atoms[np.argsort(-atoms.numbers)] for atoms in frames]  # XDATCAR groups species
    ase.io.write(tmp_path / name, frames, **options)
    chosen = choose(StructuresDataset(filepath=str(tmp_path), optional=True).load())
    assert chosen.source.tolist() == [f"{name}#{i}" for i in range(3)]
    for read, written in zip(chosen.to_atoms(), frames, strict=True):
        assert (read.numbers == written.numbers).all()
        moved = read.get_scaled_positions() - written.get_scaled_positions()
        assert np.abs(moved - np.rint(moved)).max() < 1e-5


def test_a_dump_of_lammps_with_elements(tmp_path: Path, frames: list[Atoms]) -> None:
    write_dump(tmp_path / "md.lammpstrj", frames, "id element x y z")
    chosen = choose(StructuresDataset(filepath=str(tmp_path)).load())
    assert chosen.pbc.all()
    for read, written in zip(chosen.to_atoms(), frames, strict=True):
        assert (read.numbers == written.numbers).all()
        np.testing.assert_allclose(read.positions, written.positions, atol=1e-6)


def test_a_dump_of_lammps_with_types_only(tmp_path: Path, frames: list[Atoms]) -> None:
    """ASE alone would take copper for hydrogen."""
    write_dump(tmp_path / "md.lammpstrj", frames, "id type x y z")
    with pytest.raises(Exception, match="not which elements they are") as caught:
        StructuresDataset(filepath=str(tmp_path)).load()
    assert isinstance(caught.value.__cause__, InputError)
    told = {"*.lammpstrj": {"specorder": ["Cu", "Au"]}}
    read = StructuresDataset(filepath=str(tmp_path), read_arguments=told).load()
    assert (read.to_atoms()[0].numbers == frames[0].numbers).all()
