"""The user's own structures, from whatever ASE reads."""

from __future__ import annotations

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from kedro.io import DatasetError

from potwright.datasets import StructuresDataset
from potwright.errors import InputError
from potwright.pes import PESData


@pytest.fixture
def folder(tmp_path):
    """A folder as users have them: formats mixed, a README, a hidden file, a subfolder."""
    ase.io.write(tmp_path / "copper.cif", bulk("Cu", cubic=True))
    ase.io.write(tmp_path / "aluminium.vasp", bulk("Al"), format="vasp")
    (tmp_path / "more").mkdir()
    ase.io.write(tmp_path / "more" / "two.extxyz", [molecule("H2O"), molecule("CH4")])
    (tmp_path / "README.md").write_text("Where these come from.")
    (tmp_path / ".DS_Store").write_bytes(b"\x00\x01")
    return tmp_path


def load(path, **arguments):
    return StructuresDataset(filepath=str(path), **arguments).load()


def refusal(path, **arguments) -> str:
    """The message that a user sees; Kedro wraps it."""
    with pytest.raises(DatasetError) as caught:
        load(path, **arguments)
    assert isinstance(caught.value.__cause__, InputError)
    return str(caught.value.__cause__)


def test_a_folder_gives_all_its_structures_in_the_order_of_their_names(folder):
    pes = load(folder)
    assert pes.source.tolist() == [
        "aluminium.vasp",
        "copper.cif",
        "more/two.extxyz#0",
        "more/two.extxyz#1",
    ]
    assert pes.n_atoms.tolist() == [1, 4, 3, 5]
    assert set(pes.origin) == {"initial"}


def test_a_pattern_gives_the_files_that_it_names(folder):
    assert load(folder / "*.cif").source.tolist() == ["copper.cif"]
    assert load(folder / "**" / "*.extxyz").source.tolist() == [
        "more/two.extxyz#0",
        "more/two.extxyz#1",
    ]


def test_a_file_gives_all_its_structures(folder):
    pes = load(folder / "more" / "two.extxyz")
    assert [atoms.get_chemical_formula() for atoms in pes.to_atoms()] == ["H2O", "CH4"]


def test_pbc_is_set_for_the_files_that_it_names(folder):
    sheet = Atoms("C2", [[0, 0, 5], [1.23, 0.71, 5]], cell=[2.46, 4.26, 15], pbc=True)
    ase.io.write(folder / "graphene.cif", sheet)
    pes = load(folder, pbc={"graph*.cif": [True, True, False], "copper.cif": [True] * 3})
    periodic = dict(zip(pes.source.tolist(), pes.pbc.tolist(), strict=True))
    assert periodic["graphene.cif"] == [True, True, False]
    assert periodic["copper.cif"] == [True, True, True]
    assert periodic["aluminium.vasp"] == [True, True, True]
    assert periodic["more/two.extxyz#0"] == [False, False, False]


def test_files_of_one_name_are_told_apart_by_their_folders(folder):
    ase.io.write(folder / "more" / "copper.cif", bulk("Cu"))
    pes = load(folder, pbc={"more/*.cif": [True, True, False]})
    periodic = dict(zip(pes.source.tolist(), pes.pbc.tolist(), strict=True))
    assert periodic["more/copper.cif"] == [True, True, False]
    assert periodic["copper.cif"] == [True, True, True]


def test_pbc_of_a_file_that_is_not_there_is_refused(folder):
    message = refusal(folder, pbc={"grafene.cif": [True, True, False]})
    assert "'grafene.cif'" in message
    assert "copper.cif" in message


@pytest.mark.parametrize("pbc", [[True, True], "TTF", [1, 1, 0], True])
def test_pbc_is_three_booleans(folder, pbc):
    assert "expected three booleans" in refusal(folder, pbc={"copper.cif": pbc})


def test_no_structures_is_a_mistake_that_says_what_to_do(tmp_path):
    (tmp_path / "README.md").write_text("nothing yet")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "*.cif"):
        message = refusal(path)
        assert f"no structures found in {path}" in message
        assert "in the catalog" in message
        assert not StructuresDataset(filepath=str(path)).exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("torn.xyz", "3\n\nCu 0 0 0\n", "ASE cannot read"),
        ("empty.xyz", "", "ASE"),
        ("noise.cif", "\x00\x01\x02 no crystal", "ASE cannot read"),
        ("notes.docx", "dear diary", "not a format that ASE knows"),
    ],
)
def test_an_unreadable_file_is_named(folder, name, content, reason):
    (folder / name).write_text(content)
    message = refusal(folder)
    assert message.startswith(str(folder / name))
    assert reason in message


DIAMOND = """data_diamond
_cell_length_a 3.567
_cell_length_b 3.567
_cell_length_c 3.567
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt "F d -3 m"
_space_group_IT_number 227
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
C 0 0 0
"""


def test_cif_gives_the_whole_cell_and_keeps_its_space_groups_symbol(tmp_path):
    (tmp_path / "diamond.cif").write_text(DIAMOND)
    pes = load(tmp_path)
    assert pes.n_atoms.tolist() == [8]
    assert pes.info[0]["spacegroup"] == "F d -3 m"
    copy = PESData.from_atoms(pes.to_atoms())
    assert copy.info[0]["spacegroup"] == "F d -3 m"


def test_labels_that_files_bring_are_kept(tmp_path):
    atoms = bulk("Cu")
    atoms.calc = SinglePointCalculator(atoms, energy=-3.5, forces=[[0.0, 0.1, 0.0]])
    ase.io.write(tmp_path / "labelled.extxyz", atoms)
    pes = load(tmp_path)
    assert pes.energy.tolist() == [-3.5]
    assert pes.forces.tolist() == [[0.0, 0.1, 0.0]]
    assert not load(tmp_path, labels="none").has_labels.any()


def test_the_users_files_are_never_written(folder):
    dataset = StructuresDataset(filepath=str(folder))
    with pytest.raises(DatasetError, match="read-only"):
        dataset.save(dataset.load())


def test_what_is_optional_may_be_absent(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "*.traj"):
        dataset = StructuresDataset(filepath=str(path), optional=True)
        assert len(dataset.load()) == 0
        assert dataset.preview()["data"] == []
        assert not dataset.exists()


def test_a_file_that_is_named_is_not_optional(tmp_path):
    assert "no structures found in" in refusal(tmp_path / "mine.extxyz", optional=True)


def test_arguments_for_a_reader_go_to_the_files_that_they_name(folder):
    ase.io.write(folder / "run.extxyz", [bulk("Cu")] * 5)
    message = refusal(folder, read_arguments={"*.dump": {"specorder": ["Cu"]}})
    assert "read_arguments is given for '*.dump'" in message
    unknown = refusal(folder, read_arguments={"run.extxyz": {"specorder_": ["Cu"]}})
    assert "specorder_" in unknown


def test_its_preview_is_a_table(folder):
    table = StructuresDataset(filepath=str(folder)).preview(nrows=2)
    assert [row[0] for row in table["data"]] == ["Al", "Cu4"]
