from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from potwright.errors import InputError
from potwright.parameters import Parameters, unknown_key
from potwright.pipelines.augmentation.parameters import RelaxationParameters
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.validation.parameters import ValidationParameters


class Random(Parameters):
    type: Literal["random"] = "random"
    fraction: float = Field(default=0.5, gt=0)


class Top(Parameters):
    type: Literal["top"] = "top"
    threshold_ev: float = 1.0


class Inner(Parameters):
    temperature_k: float = 300.0
    steps: int = Field(ge=1)


class Outer(Parameters):
    """A block with a block, an optional one, several of them, and a choice."""

    inner: Inner = Inner(steps=1)
    maybe: Inner | None = None
    several: tuple[Inner, ...] = ()
    rule: Annotated[Random | Top, Field(discriminator="type")] = Random()


def complaint(given: dict) -> str:
    with pytest.raises(InputError) as raised:
        Outer.model_validate(given)
    return str(raised.value)


@pytest.mark.parametrize(
    ("given", "key", "nearest"),
    [
        ({"iner": {}}, "iner", "inner"),
        ({"inner": {"steps": 1, "temperatur_k": 5}}, "inner.temperatur_k", "temperature_k"),
        ({"maybe": {"steps": 1, "temperature": 5}}, "maybe.temperature", "temperature_k"),
        ({"several": [{"steps": 1}, {"steps": 2, "step": 3}]}, "several.1.step", "steps"),
        ({"rule": {"type": "random", "fracton": 1}}, "rule.fracton", "fraction"),
        ({"rule": {"type": "top", "threshold": 1}}, "rule.threshold", "threshold_ev"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_valid_one(
    given: dict, key: str, nearest: str
) -> None:
    assert f"{key}: unknown key; did you mean {nearest!r}?" in complaint(given)


def test_the_valid_keys_are_those_of_the_chosen_kind_only() -> None:
    said = complaint({"rule": {"type": "top", "fraction": 1}})
    assert "threshold_ev" in said and "allowed: " in said
    assert "fraction, " not in said and ", fraction" not in said


def test_a_key_that_is_near_nothing_gets_the_list_alone() -> None:
    said = complaint({"zzz": 1})
    assert "did you mean" not in said
    assert "allowed: inner, maybe, rule, several" in said


def test_all_mistakes_are_named_at_once() -> None:
    said = complaint({"inner": {"steps": 0, "stepz": 1}, "rule": {"type": "random", "fraction": 0}})
    assert len(said.splitlines()) == 3
    assert "inner.steps = 0" in said and "rule.fraction = 0" in said


def test_a_missing_key_is_named() -> None:
    assert "inner.steps: required, but not given" in complaint({"inner": {}})


def test_an_unknown_kind_is_named_with_the_kinds_there_are() -> None:
    said = complaint({"rule": {"type": "topp"}})
    assert said == ("rule.type = 'topp': no such type; did you mean 'top'? (allowed: random, top)")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value: float) -> None:
    assert "inner.temperature_k" in complaint({"inner": {"steps": 1, "temperature_k": value}})


def test_a_block_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner(steps=1).steps = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "block",
    [
        TrainingParameters,
        EvaluationParameters,
        ExplorationParameters,
        ValidationParameters,
        RelaxationParameters,
    ],
)
def test_a_device_is_a_name_that_pytorch_knows(block: type[Parameters]) -> None:
    for device in ("auto", "cpu", "cuda", "cuda:1"):
        assert block.model_validate({"device": device}).device == device  # type: ignore[attr-defined]
    for device in ("gpu", "CUDA", "cuda:", "cuda:one", ""):
        with pytest.raises(InputError, match=rf"device = '{device}': must be auto, cpu, cuda, or"):
            block.model_validate({"device": device})


def test_one_line_for_a_key_that_nothing_reads() -> None:
    assert unknown_key("trainning", ["training", "labelling"]) == (
        "trainning: unknown key; did you mean 'training'? (allowed: labelling, training)"
    )
