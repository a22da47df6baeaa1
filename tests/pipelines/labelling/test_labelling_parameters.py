"""YAML of the labelling stage: base and overlays as Kedro merges them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from potwright.configuration import ConfigLoader
from potwright.errors import InputError
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import ASEEngine, CommitteeEngine, QuantumEspressoEngine, TBLiteEngine

CONF = Path(__file__).parents[3] / "conf"


def merged(tmp_path, overlay):
    """The parameters of conf/base with an overlay, read as the project's settings say."""
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "parameters_labelling.yml").write_text(yaml.safe_dump(overlay))
    loader = ConfigLoader(
        str(tmp_path),
        base_env=str(CONF / "base"),
        default_run_env="local",
        merge_strategy={"parameters": "soft"},
    )
    return LabellingParameters.model_validate(loader["parameters"]["labelling"])


def test_the_base_configuration_says_what_the_defaults_are():
    base = yaml.safe_load((CONF / "base" / "parameters_labelling.yml").read_text())
    assert LabellingParameters.model_validate(base["labelling"]) == LabellingParameters()


@pytest.mark.parametrize("engine", [ASEEngine, CommitteeEngine, QuantumEspressoEngine])
def test_every_setting_of_the_other_engines_is_explained_there(engine):
    text = (CONF / "base" / "parameters_labelling.yml").read_text()
    explained = set(re.findall(r"^  #   (\w+): .*  \S", text, re.MULTILINE))
    assert set(engine.model_fields) <= explained


def test_the_demo_changes_valid_keys_only(tmp_path):
    demo = yaml.safe_load((CONF / "demo" / "parameters_labelling.yml").read_text())
    parameters = merged(tmp_path, demo)
    assert parameters.executor.slots() == 2
    assert parameters.engine == TBLiteEngine(min_length_angstrom=6.3)


def test_an_overlay_may_name_another_engine_or_change_one_setting(tmp_path):
    engine = {"type": "ase", "calculator": "ase.calculators.emt.EMT"}
    parameters = merged(tmp_path, {"labelling": {"engine": engine}})
    assert isinstance(parameters.engine, ASEEngine)
    assert parameters.engine.arguments == {}


def test_an_overlay_keeps_what_it_does_not_name(tmp_path):
    parameters = merged(tmp_path, {"labelling": {"engine": {"accuracy": 0.1}}})
    assert parameters.engine == TBLiteEngine(accuracy=0.1)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"engine": {"type": "tblite", "metod": "GFN1-xTB"}}, "did you mean 'method'"),
        ({"engine": {"type": "tblite", "method": "GFN3-xTB"}}, "GFN1-xTB"),
        ({"engine": {"type": "vasp"}}, "tblite"),
        (
            {"engine": {"type": "ase", "calculator": "a.b", "method": "GFN2-xTB"}},
            "engine.method: unknown key",
        ),
        ({"executor": {"type": "local", "workers": 0}}, "executor.workers = 0"),
        ({"screening": {"min_volume_ratio": 6.0}}, "must be below max_volume_ratio"),
        ({"screning": {}}, "did you mean 'screening'"),
        (
            {"retry_failed": ["kiled"]},
            "list of reasons among not_converged, walltime, crash, killed",
        ),
        ({"retry_failed": "killed"}, "retry_failed = 'killed': give true, false, or a list"),
        ({"levels": {"xtb": {"type": "tblite", "metod": "x"}}}, r"levels\.xtb\.metod: unknown key"),
        ({"levels": {"a/b": {"type": "tblite"}}}, "becomes part of a path"),
        ({"levels": {"xtb": {"type": "tblite"}}, "relabel_to": "xbt"}, "did you mean 'xtb'"),
        ({"engine": {"type": "imported", "name": "6"}}, r"engine\.name = '6'"),
        ({"engine": {"type": "imported"}}, r"engine\.name: required"),
    ],
)
def test_mistakes_are_named_with_what_is_allowed(block, message):
    with pytest.raises(InputError, match=message):
        LabellingParameters.model_validate(block)
