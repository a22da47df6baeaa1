from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from potwright.errors import InputError
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.evaluation.rules import RULES

CONF = Path(__file__).parents[3] / "conf"


def block(environment: str) -> dict[str, Any]:
    text = (CONF / environment / "parameters_evaluation.yml").read_text()
    return yaml.safe_load(text)["evaluation"]


def test_the_base_configuration_spells_out_the_defaults() -> None:
    assert EvaluationParameters.model_validate(block("base")) == EvaluationParameters()


def test_the_demo_overlay_is_valid() -> None:
    merged = OmegaConf.to_container(OmegaConf.merge(block("base"), block("demo")))
    demo = EvaluationParameters.model_validate(merged)
    assert demo.selection.max_selected < EvaluationParameters().selection.max_selected


@pytest.mark.parametrize("value", [0, -1.0])
@pytest.mark.parametrize(
    "key", ["energy_mev_per_atom", "forces_mev_per_angstrom", "stress_mev_per_angstrom3"]
)
def test_thresholds_must_be_above_zero(key: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"error_thresholds\.{key} = .*must be greater than 0"):
        EvaluationParameters.model_validate({"error_thresholds": {key: value}})


def test_an_unknown_rule_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(InputError, match="proportional, random, random_control, top"):
        EvaluationParameters.model_validate({"selection": {"type": "farthest"}})


def test_a_wrong_key_gets_the_nearest_one() -> None:
    with pytest.raises(InputError, match="max_selected"):
        EvaluationParameters.model_validate({"selection": {"type": "top", "max_select": 3}})


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_registered_rule_can_be_configured(rule: str) -> None:
    parameters = EvaluationParameters.model_validate({"selection": {"type": rule}})
    assert parameters.selection.type == rule
