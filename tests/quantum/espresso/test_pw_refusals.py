"""Mistakes are found before anything is paid for, each with a message of its own."""

from __future__ import annotations

import json
import logging

import pytest

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.labelling import nodes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import QuantumEspressoEngine


@pytest.fixture
def block(paper_engine):
    """The engine's block of YAML with some keys changed."""
    plain = paper_engine().model_dump(mode="json", exclude_defaults=True)

    def change(**fields):
        return {"engine": {"type": "quantum_espresso", **plain, **fields}}

    return change


def refused(block):
    """What the labelling stage says before it does anything."""
    with pytest.raises(InputError) as error:
        LabellingParameters.model_validate(block).engine.verify()
    return str(error.value)


def test_good_settings_are_not_refused(block):
    LabellingParameters.model_validate(block()).engine.verify()


def test_an_unknown_protocol_is_told_the_nearest(block):
    message = refused(block(protocol="stringant"))
    assert "engine.protocol = 'stringant'" in message
    assert "did you mean 'stringent'?" in message and "'balanced'" in message


def test_an_unknown_recovery_is_told_the_nearest(block):
    assert "did you mean 'local_mixing'?" in refused(block(recoveries=["local_mixin"]))


def test_an_element_without_pseudopotential_is_named_with_the_folder(block, tmp_path):
    message = refused(block(species=["C", "Te"]))
    assert "no pseudopotential of Te" in message
    assert str(tmp_path / "pseudo") in message and "family.json has C, Fe, O" in message


def test_a_missing_file_is_named_with_element_and_folder(block, tmp_path):
    (tmp_path / "pseudo" / "O.UPF").unlink()
    message = refused(block(species=["C", "O"]))
    assert f"{tmp_path / 'pseudo'} lacks O.UPF, the pseudopotential of O" in message
    LabellingParameters.model_validate(block(species=["C"])).engine.verify()


def test_a_file_of_other_content_is_refused(block, tmp_path):
    (tmp_path / "pseudo" / "Fe.UPF").write_text("something else")
    message = refused(block(species=["Fe"]))
    assert "Fe.UPF" in message and "has md5" in message and "but the family says" in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"wavefunction_cutoff_ry": 25}, r"wavefunction_cutoff_ry = 25.0: below the 30.0 Ry"),
        ({"density_cutoff_ry": 200}, r"density_cutoff_ry = 200.0: below the 240.0 Ry"),
        ({"pseudopotential_folder": "nowhere"}, "there is no such folder"),
        ({"pseudopotential_family": "no.json"}, "'no.json': there is no such file"),
        ({"species": []}, "species"),
        ({"species": ["Cx"]}, "'Cx' is not the symbol of an element"),
        ({"starting_magnetisation": {"Fe": 0.5}}, "names Fe, which is not in species"),
        ({"hubbard_u_ev": {"Fe": 4.0}}, "write it like Fe-3d"),
        ({"hubbard_u_ev": {"C-2s": 4.0, "C-2p": 4.0}}, "two manifolds of one species"),
        ({"starting_magnetisation": {"C": 2.0}}, "wants a fraction"),
        ({"scf_threshold_ry": 1e-8, "scf_threshold_ry_per_atom": 1e-9}, "not both"),
        ({"version": 7.2}, "put it in quotes"),
        ({"further_input": {"system": {"nbands": 8}}}, "did you mean 'nbnd'"),
        ({"further_input": {"sytem": {}}}, "unknown namelist"),
        ({"further_input": {"system": {"ECUTWFC": 8}}}, "engine.wavefunction_cutoff_ry"),
        ({"further_input": {"system": {"hubbard_u(1)": 8}}}, "engine.hubbard_u_ev"),
        ({"command": "pw_of_nobody.x", "version": None}, "'pw_of_nobody.x' is not found"),
        ({"command": "mpirun -np 2 nothing/pw.x", "version": None}, "is not found"),
        ({"command": "true", "version": None}, "does not tell a version"),
    ],
)
def test_other_mistakes_are_named_too(block, fields, message):
    assert message in refused(block(**fields))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "not a JSON file"),
        ("[]", "not a family"),
        ('{"C": {"filename": "C.UPF", "md5": "0"}}', "needs filename, md5, cutoff_wfc"),
    ],
)
def test_a_file_that_is_no_family_is_refused(block, tmp_path, content, message):
    (tmp_path / "pseudo" / "family.json").write_text(content)
    assert message in refused(block())


def test_two_families_in_one_folder_must_be_told_apart(block, tmp_path):
    folder = tmp_path / "pseudo"
    other = folder / "other.json"
    other.write_text((folder / "family.json").read_text())
    assert "family.json, other.json; name it" in refused(block())
    given = block(pseudopotential_family=str(other))
    LabellingParameters.model_validate(given).engine.verify()


def test_a_structure_with_another_element_is_refused(block):
    parameters = LabellingParameters.model_validate(block())
    from ase.build import molecule

    methane = PESData.from_atoms([molecule("CH4")])
    with pytest.raises(InputError, match=r"quantum_espresso .* does not know H"):
        nodes.screen_candidates(methane, methane, PESData.empty(), parameters)


# ---------------------------------------------------------------- with the real pw.x


def test_the_real_pw_x_takes_good_settings_in_a_dry_run(espresso, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        engine = espresso(species=["C", "Fe", "H"], starting_magnetisation={"Fe": 0.3})
        engine.model_copy(update={"kpoint_distance_per_angstrom": 0.01}).verify()
    assert not caplog.records
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(espresso):
    with pytest.raises(InputError, match=r"engine\.scratch_folder = '/proc/nowhere'"):
        espresso(scratch_folder="/proc/nowhere").verify()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"further_input": {"system": {"input_dft": "no such"}}},
            r"in a dry run, 'pw.x' does not take the settings: error in routine .*unrecognized",
        ),
        (
            {"species": ["Fe"], "hubbard_u_ev": {"Fe-3p": 3.0}},
            r"applies U of Fe to the shell with l = 2, hubbard_u_ev says l = 1",
        ),
        # where pw.x 6.7 would go on without
        ({"vdw_corr": "mbd_vdw"}, r"pw.x 6\.7\.MaX does not know vdw_corr = mbd_vdw"),
    ],
)
def test_what_only_pw_x_can_tell_is_found_in_a_dry_run(espresso, fields, message):
    with pytest.raises(InputError, match=message):
        espresso(**fields).verify()


def test_a_launcher_of_another_mpi_is_found(espresso, tmp_path):
    """It starts pw.x as often as there are processes, and each calculates everything."""
    launcher = tmp_path / "mpirun"
    launcher.write_text('#!/bin/sh\n"$@"\n"$@"\n')
    launcher.chmod(0o755)
    with pytest.raises(InputError, match=r"several pw\.x that know nothing of each other"):
        espresso(command=f"{launcher} pw.x").verify()


def test_cold_smearing_in_an_old_pw_x_gets_a_warning(paper_engine, caplog):
    def warnings(**fields):
        caplog.clear()
        paper_engine(**fields).verify()
        return len(caplog.records)

    assert warnings(version="6.7") == 1
    assert "wrong Fermi level" in caplog.text
    assert warnings(version="6.7", smearing="gaussian") == 0
    assert warnings(version="7.3.1") == 0


def test_sssp_is_read_as_it_is_published(tmp_path):
    """An entry of SSSP 1.3 PBE precision, further keys included."""
    family = tmp_path / "SSSP_1.3.0_PBE_precision.json"
    entry = {
        "filename": "Ag_ONCV_PBE-1.0.oncvpsp.upf",
        "md5": "94f47bd0669c641108e45594df92fabc",
        "pseudopotential": "SG15",
        "cutoff_wfc": 55.0,
        "cutoff_rho": 220.0,
    }
    family.write_text(json.dumps({"Ag": entry}))
    engine = QuantumEspressoEngine(pseudopotential_folder=tmp_path, species=["Ag"], version="7.3.1")
    settings = engine.level_of_theory().settings
    assert settings["pseudopotentials"] == {"Ag": entry["md5"]}
    assert (settings["wavefunction_cutoff_ry"], settings["density_cutoff_ry"]) == (55.0, 220.0)
