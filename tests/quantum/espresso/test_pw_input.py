"""What pw.x is told: meshes, thresholds, recoveries, corrections. Nothing runs here."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.io.espresso import read_fortran_namelist
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import empty_gaps
from potwright.quantum import try_label
from potwright.quantum.engines.espresso.calculator import write_input
from potwright.quantum.engines.espresso.protocols import kpoint_mesh
from potwright.quantum.engines.espresso.recoveries import PATH
from potwright.quantum.label import CalculationError


@pytest.fixture
def written(tmp_path):
    """A function that gives the namelists and the cards of a structure's input."""

    def write(engine, atoms, recovery=""):
        calculator = engine.make_calculator(atoms, recovery)
        path = tmp_path / "espresso.pwi"
        write_input(path, atoms, calculator.run)
        with path.open() as file:
            namelists, cards = read_fortran_namelist(file)
        return {name: dict(keys) for name, keys in namelists.items()}, "\n".join(cards)

    return write


# ---------------------------------------------------------------- k-points


def test_the_mesh_is_the_reciprocal_length_with_two_pi_over_the_distance():
    cube = np.diag([2 * np.pi, 4 * np.pi, 1.0])  # |b| = 1, 0.5, 2π per Å
    assert kpoint_mesh(cube, [True] * 3, 0.3) == (4, 2, 21)
    assert kpoint_mesh(cube, [True] * 3, 0.25) == (4, 2, 26)  # exact quotients are not rounded up
    assert kpoint_mesh(cube, [True] * 3, 50.0) == (1, 1, 1)


def test_protocols_are_those_of_the_methods(paper_engine):
    conventional = bulk("C", cubic=True)
    meshes = {"fast": 6, "balanced": 12, "stringent": 18}
    widths = {"fast": 0.0275, "balanced": 0.02, "stringent": 0.0125}
    thresholds = {"fast": 0.4e-9, "balanced": 0.2e-9, "stringent": 0.1e-9}
    for name, points in meshes.items():
        run = paper_engine(protocol=name).make_calculator(conventional).run
        assert run.kpoints == (points,) * 3
        assert run.namelists["system"]["degauss"] == widths[name]
        assert run.namelists["system"]["smearing"] == "cold"
        # 8 atoms: the threshold grows with the structure
        assert run.namelists["electrons"]["conv_thr"] == pytest.approx(8 * thresholds[name])
    default = paper_engine()
    assert default == paper_engine(protocol="stringent")
    assert (default.mixing_beta, default.electron_maxstep) == (0.4, 80)


def test_an_absolute_threshold_does_not_grow(paper_engine):
    engine = paper_engine(scf_threshold_ry=1e-8)
    for atoms in (bulk("C"), bulk("C", cubic=True)):
        run = engine.make_calculator(atoms).run
        assert run.namelists["electrons"]["conv_thr"] == 1e-8


@settings(deadline=None, max_examples=50)
@given(
    lattice=st.lists(st.floats(-1, 1), min_size=9, max_size=9),
    axis=st.integers(0, 2),
    length=st.floats(5, 40),
)
def test_the_vector_across_a_sheet_does_not_matter(lattice, axis, length):
    cell = 4.0 * np.eye(3) + np.reshape(lattice, (3, 3))
    pbc = np.ones(3, dtype=bool)
    pbc[axis] = False
    mesh = kpoint_mesh(cell, pbc, 0.2)
    assert mesh[axis] == 1 and min(np.delete(mesh, axis)) > 1
    other = cell.copy()
    other[axis] = np.cross(*np.delete(cell, axis, axis=0))  # straight up, and of another length
    other[axis] *= length / np.linalg.norm(other[axis])
    assert kpoint_mesh(other, pbc, 0.2) == mesh
    order = np.roll(np.arange(3), 1)
    turned = kpoint_mesh(cell[order], pbc[order], 0.2)
    assert turned == tuple(np.array(mesh)[order])


def test_a_mesh_of_one_is_written_as_gamma(paper_engine, written):
    """For which pw.x has code that is twice as fast."""
    _, cards = written(paper_engine(), molecule("C2H2")[:2])
    assert "K_POINTS gamma" in cards
    _, cards = written(paper_engine(kpoint_distance_per_angstrom=1.0), graphene(vacuum=5.0))
    assert "K_POINTS automatic\n3 3 1  0 0 0" in cards
    cutoff = paper_engine(kpoint_distance_per_angstrom=3.0, assume_isolated=["2D"])
    _, cards = written(cutoff, graphene(vacuum=5.0))
    assert "K_POINTS automatic\n1 1 1  0 0 0" in cards  # for which that code is wrong


# ---------------------------------------------------------------- recoveries


def test_no_recovery_changes_what_is_converged_to(paper_engine, written):
    """At each rung the input is the same but for mixing, diagonalisation, start, steps."""
    names = ["gentle_mixing", "local_mixing", "conjugate_gradients", "random_start", "more_steps"]
    engine = paper_engine(
        species=["C", "Fe"],
        recoveries=names,
        starting_magnetisation={"Fe": 0.5},
        hubbard_u_ev={"Fe-3d": 4.0},
        vdw_corr="grimme-d3",
        further_input={"electrons": {"diago_david_ndim": 4}},
    )
    atoms = bulk("Fe", cubic=True)
    asked, cards = written(engine, atoms)
    seen = [asked["electrons"]]
    for name in engine.recoveries:
        namelists, same_cards = written(engine, atoms, name)
        assert same_cards == cards
        changed = {
            (section, key)
            for section in namelists
            for key in namelists[section].keys() | asked[section].keys()
            if namelists[section].get(key) != asked[section].get(key)
        }
        assert changed and {section for section, _ in changed} == {"electrons"}
        assert {key for _, key in changed} <= PATH
        assert namelists["electrons"] not in seen
        seen.append(namelists["electrons"])
    assert not PATH & {"conv_thr", "degauss", "ecutwfc", "ecutrho", "nspin", "hubbard_u"}


# ---------------------------------------------------------------- spin, U, corrections


def test_spin_and_u_belong_to_species_in_the_order_of_the_input(paper_engine, written):
    engine = paper_engine(
        species=["O", "Fe"],
        starting_magnetisation={"Fe": 0.4},
        hubbard_u_ev={"Fe-3d": 4.5},
    )
    atoms = bulk("FeO", "rocksalt", a=4.3)[[1, 0]]
    namelists, cards = written(engine, atoms)
    system = namelists["system"]
    assert cards.index("O ") < cards.index("Fe ")
    assert system["nspin"] == 2
    assert [system[f"starting_magnetization({i})"] for i in (1, 2)] == [0.0, 0.4]
    assert system["lda_plus_u"] is True and system["hubbard_u(2)"] == 4.5
    assert "hubbard_u(1)" not in system and "HUBBARD" not in cards


def test_since_7_1_u_is_a_card(paper_engine, written):
    fields = {"species": ["O", "Fe"], "hubbard_u_ev": {"Fe-3d": 4.5}}
    engine = paper_engine(version="7.1", hubbard_projectors="ortho-atomic", **fields)
    namelists, cards = written(engine, bulk("FeO", "rocksalt", a=4.3))
    assert "HUBBARD (ortho-atomic)\nU Fe-3d 4.5" in cards
    assert not any("hubbard" in key or key == "lda_plus_u" for key in namelists["system"])
    _, cards = written(engine, Atoms("O", cell=[8, 8, 8]))
    assert "HUBBARD" not in cards  # of a species that is not there


def test_magnetic_moments_of_the_structure_do_not_switch_spin_on(paper_engine, written):
    atoms = bulk("C")
    atoms.set_initial_magnetic_moments([1.0, -1.0])
    namelists, _ = written(paper_engine(), atoms)
    assert "nspin" not in namelists["system"] and namelists["system"]["ntyp"] == 1


def test_isolation_is_for_what_it_is_made_for(paper_engine, written):
    engine = paper_engine(assume_isolated=["mt", "2D"])

    def isolation(atoms):
        return written(engine, atoms)[0]["system"].get("assume_isolated")

    assert isolation(Atoms("C2", positions=[[0, 0, 0], [0, 0, 1.3]])) == "mt"
    assert isolation(graphene(vacuum=5.0)) == "2D"
    assert isolation(bulk("C")) is None
    assert isolation(Atoms("C", cell=[9, 9, 2], pbc=[False, False, True])) is None
    standing = graphene(vacuum=5.0)
    standing.rotate(90, "x", rotate_cell=True)
    with pytest.raises(CalculationError, match="wants a sheet in the xy plane"):
        engine.make_calculator(standing)
    failure = try_label(engine, standing)
    assert failure.reason == "bad_input" and "turn the structure" in failure.message


def test_a_molecule_gets_at_least_the_vacuum_and_keeps_a_larger_box(paper_engine, written):
    engine = paper_engine(min_vacuum_angstrom=7.0)

    def box(atoms):
        _, cards = written(engine, atoms)
        lines = cards.split("CELL_PARAMETERS angstrom\n")[1].splitlines()
        return np.array([line.split() for line in lines[:3]], dtype=float)

    pair = Atoms("C2", positions=[[0, 0, 0], [0, 0, 1.3]])
    assert np.diag(box(pair)) == pytest.approx([7.0, 7.0, 8.3])
    pair.cell = [20, 20, 20]
    assert box(pair) == pytest.approx(20 * np.eye(3))
    sheet = graphene(vacuum=2.0)  # whose stress is per volume of the cell that is stored
    assert box(sheet) == pytest.approx(sheet.cell.array)
    assert empty_gaps(sheet.positions, sheet.cell.array)[2] < 7.0


def test_a_crystal_without_a_cell_is_bad_input(paper_engine):
    failure = try_label(paper_engine(), Atoms("C", pbc=[True, True, False], cell=[3, 3, 0]))
    assert failure.reason == "bad_input" and "no volume" in failure.message


def test_further_keys_are_written_and_walltime_is_passed(paper_engine, written):
    engine = paper_engine(
        further_input={"system": {"nbnd": 12}, "electrons": {"mixing_ndim": 4}},
        walltime_seconds=1000,
    )
    namelists, _ = written(engine, bulk("C"))
    assert namelists["system"]["nbnd"] == 12
    assert namelists["electrons"]["mixing_ndim"] == 4
    assert 900 <= namelists["control"]["max_seconds"] < 1000
