"""The stage as Kedro runs it: copper by effective medium theory, two potentials beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from potwright.datasets.validation_results import figure
from potwright.errors import InputError
from potwright.pipelines.validation import alloys
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.pipeline import create_pipeline
from potwright.potentials import Committee
from potwright.potentials.model_file import ModelFile
from potwright.quantum import LabelStore

CATALOG = Path(__file__).parents[3] / "conf" / "base" / "catalog_validation.yml"
ENGINE = {"type": "ase", "calculator": "ase.calculators.emt.EMT", "supported_elements": ["Cu"]}
PROTOTYPES = {
    "copper": {"structure": "fcc", "species": "Cu", "length_angstrom": 3.6},
    "pair": {"structure": "dimer", "species": "Cu", "length_angstrom": 2.2},
}
EOS = {
    "enabled": True,
    "prototypes": ["copper", "pair"],
    "points": 5,
    "min_scale": 0.9,
    "max_scale": 1.2,
}


@pytest.fixture(scope="module")
def committee(
    tmp_path_factory: pytest.TempPathFactory, untrained_mace: Callable[..., ModelFile]
) -> Committee:
    folder = tmp_path_factory.mktemp("members")
    members = [untrained_mace(folder / f"{i}.model", i, {29: -3.0}) for i in range(2)]
    return Committee(tuple(members), {"backend": "mace", "species": [29]})


@pytest.fixture
def validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committee: Committee
) -> Callable[..., dict[str, Any]]:
    """Run the stage with its real catalog."""
    monkeypatch.chdir(tmp_path)

    def run(version: str = "2026-01-01T00.00.00", **given: Any) -> dict[str, Any]:
        entries = yaml.safe_load(CATALOG.read_text().replace("${globals:campaign}", "copper"))
        keys = {
            "prototypes": PROTOTYPES,
            "equation_of_state": EOS,
            "executor": {"type": "local", "workers": 1},
        }
        inputs = {
            "committee": committee,
            "label_store": LabelStore(tmp_path / "labels.db"),
            "params:labelling.engine": ENGINE,
            "params:seed": 1,
            "params:validation": ValidationParameters.model_validate({**keys, **given}),
        }
        catalog = DataCatalog.from_config(entries, save_version=version)
        for name, value in inputs.items():
            catalog[name] = MemoryDataset(value, copy_mode="assign")
        SequentialRunner().run(create_pipeline(), catalog)
        table, found = catalog.load("validation_report"), catalog.load("validation_results")
        return {"table": table, "results": found, "store": inputs["label_store"]}

    return run


def test_the_nodes_are_named_and_say_what_they_do() -> None:
    for node in create_pipeline().nodes:
        assert node.name == node.func.__name__
        assert node.func.__doc__


def test_a_report_beside_the_reference_and_labels_that_are_bought_once(
    validate: Callable[..., dict[str, Any]], committee: Committee
) -> None:
    folder = str(committee.members[0].path.parent)
    first = validate(
        equation_of_state={**EOS, "isolated_atoms": "own"},
        potentials={"committee": {}, "files": {"path": folder}},
    )
    table = first["table"].set_index(["structure", "quantity"])
    assert table.loc[("copper", "bulk modulus"), "reference"] == pytest.approx(134.5, rel=0.01)
    assert table.loc[("pair", "force constant"), "unit"] == "eV/Å²"

    eos = first["results"]["equation_of_state"]
    curve = next(one for one in eos["curves"] if one["structure"] == "copper")
    largest = bulk("Cu", a=3.6 * 1.2)
    single = [one.calculator("cpu").get_potential_energy(largest) for one in committee.members]
    atoms = bulk("Cu", a=9.0)  # farther apart than the models see
    free = [one.calculator("cpu").get_potential_energy(atoms) for one in committee.members]
    binding = np.array(single) - np.array(free)
    potential = curve["y"]["potentials"]["committee"]
    assert [m[-1] for m in potential["members"]] == pytest.approx(binding.tolist(), abs=1e-6)
    assert potential["mean"][-1] == pytest.approx(binding.mean(), abs=1e-6)
    assert potential["spread"][-1] == pytest.approx(binding.std(), abs=1e-6)
    largest.calc = EMT()
    reference = largest.get_potential_energy() - eos["quantities"][0]["reference"]
    assert curve["y"]["reference"][-1] == pytest.approx(reference)

    # the same models, opened from their folder under another name
    assert table["files"].equals(table["committee"].rename("files"))
    plot = figure(first["results"])
    lines = [trace["name"] for trace in plot["data"] if trace["visible"]]
    members = ["committee, member 0", "committee, member 1", "committee"]
    assert lines[:4] == ["reference", *members]
    assert len(plot["layout"]["updatemenus"][0]["buttons"]) == 2  # one for each structure

    # what is in the store is not computed again, and the report is the same
    assert eos["costs"]["labels computed"] == len(first["store"])
    again = validate("2026-01-02T00.00.00")
    assert again["table"]["reference"].tolist() == first["table"]["reference"].tolist()
    assert again["results"]["equation_of_state"]["costs"]["labels computed"] == 0


def test_an_element_that_nobody_knows_is_refused_before_anything_is_computed(
    validate: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    gold = {"structure": "fcc", "species": "Au", "length_angstrom": 4.1}
    with pytest.raises(InputError, match="prototype 'gold', the reference does not know Au"):
        validate(prototypes={"gold": gold}, equation_of_state={**EOS, "prototypes": ["gold"]})
    assert len(LabelStore(tmp_path / "labels.db")) == 0


SHEET = {"sheet": {"structure": "graphene", "species": "Cu", "length_angstrom": 4.0}}
ALLOY = {
    "enabled": True,
    "species": ["Cu", "Au"],
    "phases": {"a": ["copper"] * 2, "b": ["pair"] * 2},
}
GLASS = {"enabled": True, "species": {"Cu": 4}, "reference_file": "nowhere.txt"}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"elastic": {"enabled": True, "prototypes": ["pair"]}}, "give a crystal, or a sheet"),
        ({"phonons": {"enabled": True, "prototypes": ["pair"]}}, "'pair' is a molecule"),
        (
            {
                "defects": {
                    "enabled": True,
                    "hosts": [{"prototype": "pair", "defects": ["vacancy"]}],
                }
            },
            "a molecule has no point defects",
        ),
        ({"interlayer": {"enabled": True, "prototypes": ["sheet"]}}, "no two layers"),
        ({"generalisation": {"enabled": True}}, "there are no unseen structures"),
        ({"melt_quench": GLASS}, "nowhere.txt: needed are two columns"),
        ({"alloys": ALLOY}, "the reference does not know Au"),
    ],
)
def test_a_test_that_cannot_run_is_refused_before_others_are_paid_for(
    validate: Callable[..., dict[str, Any]], tmp_path: Path, bad: dict[str, Any], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        validate(prototypes=PROTOTYPES | SHEET, **bad)
    assert len(LabelStore(tmp_path / "labels.db")) == 0  # of the equation of state


def test_alloys_without_their_package_are_refused_first(
    validate: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alloys, "can_arrange", lambda: False)
    with pytest.raises(InputError, match="pip install 'potwright"):
        validate(alloys=ALLOY)
    assert len(LabelStore(tmp_path / "labels.db")) == 0
