"""A folder that a colleague can use, with Potwright or without."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ase import Atoms

from potwright.errors import InputError
from potwright.potentials import Committee
from potwright.potentials.card import Provenance
from potwright.potentials.export import export_committee
from potwright.potentials.mace import MACEModels

pytestmark = pytest.mark.slow

REPORT = {
    "members": 2,
    "properties": {
        name: {
            "factor": 2.0,
            "factor_per_atom": 3.0,
            "level": None,
            "trusted": name != "stress",
            "informative": True,
            "reason": "not trusted: 3 independent groups are fewer than 20",
        }
        for name in ("energy", "forces", "stress")
    },
}
UNITS = {"energy": "mev_per_atom", "forces": "mev_per_angstrom", "stress": "mev_per_angstrom3"}
METRICS = pd.DataFrame(
    [
        {"set": "test", "origin": origin, "structures": 31}
        | {
            f"rmse_{name}_{what}_{unit}": value
            for name, unit in UNITS.items()
            for what, value in (("committee", 17.5), ("members_mean", 23.25), ("members_std", 1.5))
        }
        for origin in ("all", "rattle")
    ]
)
RECORD = {
    "species": [29, 79],
    "level_of_theory": ["a" * 32],
    "reference_energies_ev": {"29": 3.5, "79": 3.8},
    "trainer": {"type": "mace", "settings": {"r_max": 3.5}},
    "versions": {"mace-torch": "0.3.16"},
}


def exported(committee: Committee, folder: Path, **changes: Any) -> Path:
    complete = dataclasses.replace(
        committee, **{"record": RECORD, "calibration": REPORT, **changes}
    )
    counts = pd.DataFrame([{"set": "training", "structures": 120}])
    provenance = Provenance(
        campaign="alloys",
        iteration=3,
        version="2026-11-26T03.57.00.000Z",
        level_of_theory="tblite 0.8 (method GFN1-xTB)",
        data=counts,
        metrics=METRICS,
    )
    return export_committee(complete, folder, provenance)


@pytest.fixture(scope="module")
def folder(committee: Committee, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(committee, tmp_path_factory.mktemp("handed") / "over")


def fresh(code: str, folder: Path) -> str:
    """What code prints in an interpreter that knows nothing of this one."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def code_of_the_card(folder: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)


PREPARE = """
from ase.build import bulk
atoms = bulk("Cu", a=3.8, cubic=True)
atoms.positions[0] += 0.2
"""


def test_the_card_says_what_it_is_and_how_good(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    for words in (
        "Cu, Au",
        "tblite 0.8 (method GFN1-xTB)",
        "2026-11-26T03.57.00.000Z",
        "| training | 120 |",
        "| test | 31 | 17.5 (members 23.2 ± 1.5)",
        "settings.r_max 3.5",
        "Cu 3.5000 eV",
        "2 times the disagreement",
        "3 independent groups are fewer than 20",
        "**Not all of these should be believed**",
        "| mace-torch | 0.3.16 | 0.3.16 |",
        "pair_coeff * * lammps/member_0.model-lammps.pt Cu Au",
    ):
        assert words in card, words
    assert "nan" not in card.lower() and "rattle" not in card


def test_what_the_card_names_is_there(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    named = set(re.findall(r"`([\w/.-]+\.(?:model|json|csv|pt))`", card))
    named |= set(re.findall(r"(lammps/\S+\.pt)", card))
    assert {"member_0.model", "calibration.json", "metrics.csv"} <= named
    for name in named:
        assert (folder / name).is_file(), name


def test_the_cards_code_runs_in_a_fresh_process_with_and_without_potwright(
    folder: Path, committee: Committee
) -> None:
    with_potwright, without = code_of_the_card(folder)
    printed = fresh(
        PREPARE + with_potwright + 'print(atoms.calc.results["forces_uncertainty"][0])\n'
        'print(atoms.calc.results["energy"])',
        folder,
    )
    *meaning, bar, energy = printed.splitlines()
    namespace: dict[str, Any] = {}
    exec(PREPARE, namespace)
    atoms = namespace["atoms"]
    atoms.calc = committee.calculator()
    assert float(energy) == pytest.approx(atoms.get_potential_energy(), rel=1e-9)
    assert float(bar) == pytest.approx(3 * atoms.calc.results["forces_disagreement"][0], rel=1e-6)
    assert "3 independent groups" in "".join(meaning)
    assert "import potwright" not in without and "from potwright" not in without
    alone = fresh(PREPARE + without + "print(atoms.get_potential_energy())", folder)
    assert float(alone.splitlines()[-1]) == pytest.approx(float(energy), rel=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_the_file_for_lammps_gives_the_members_energy_and_forces(
    folder: Path, committee: Committee, mixture: list[Atoms]
) -> None:
    """As ``pair_style mace`` calls it, without domain decomposition."""
    import torch

    atoms = mixture[0]
    models = MACEModels([committee.members[1].path], "cpu")
    graph = dict(models.build([atoms]))
    expected = models.evaluate(models.build([atoms]), 0)
    converted = torch.jit.load(str(folder / "lammps" / "member_1.model-lammps.pt"))
    del graph["head"]
    graph["positions"].requires_grad_(True)
    found = converted(graph, torch.ones(len(atoms), dtype=torch.float64), False)
    assert found["total_energy_local"].item() == pytest.approx(expected.energy[0], rel=1e-9)
    np.testing.assert_allclose(found["forces"].detach().numpy(), expected.forces, atol=1e-9)


def test_metatomic_members_are_handed_over_with_their_extensions(
    soap_bpnn: Committee, tmp_path: Path, mixture: list[Atoms]
) -> None:
    record = {"species": [29, 79], "backend": "metatrain"}
    folder = exported(soap_bpnn, tmp_path / "over", record=record)
    with_potwright, without = code_of_the_card(folder)
    both = fresh(
        PREPARE + with_potwright + 'print(atoms.calc.results["energy"])\n'
        "atoms.calc = committee.calculator(member=0)\nprint(atoms.get_potential_energy())\n"
        + without
        + "\nprint(atoms.get_potential_energy())",
        folder,
    )
    mean, member, alone = map(float, both.splitlines()[-3:])
    assert member == pytest.approx(alone, rel=1e-9) and mean != pytest.approx(member)
    card = (folder / "README.md").read_text()
    assert "pair_style metatomic member_0.pt device cpu extensions extensions" in card
    assert "pair_coeff * * 29 79" in card
    assert (folder / "extensions").is_dir() and not (folder / "lammps").exists()


def test_a_committee_of_which_little_is_known_is_exported_all_the_same(
    soap_bpnn: Committee, tmp_path: Path
) -> None:
    card = (export_committee(soap_bpnn, tmp_path / "over") / "README.md").read_text()
    assert "without a calibration" in card and "No evaluation came with it" in card


def test_nothing_is_overwritten(soap_bpnn: Committee, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="mine is there already"):
        export_committee(soap_bpnn, tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())
