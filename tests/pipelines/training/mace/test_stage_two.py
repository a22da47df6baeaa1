"""Stage two of MACE (``swa``): energies weigh more at the end of the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.training.mace.start import load
from potwright.pipelines.training.members import member_task
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.training_set import training_set

Make = Callable[..., TrainingParameters]


@pytest.mark.slow
def test_the_member_is_the_model_of_stage_two(
    labelled: PESData, parameters: Make, train: Any, tmp_path: Path
) -> None:
    """Its weights are those of the checkpoint that MACE made after stage two had begun."""
    import torch

    weights = {f"swa_{name}_weight": 1e-3 for name in ("energy", "forces", "stress")}
    chosen = parameters(steps=12, swa=True, start_swa=2, swa_lr=0.02, **weights)
    result = train(member_task(training_set(labelled), tmp_path, chosen, 5, 0))
    assert (result.epochs, result.optimiser_steps) == (4, 12)
    (checkpoint,) = (result.model.parent / "checkpoints").glob("*_swa.pt")
    assert int(checkpoint.stem.partition("epoch-")[2].removesuffix("_swa")) >= 2
    kept = torch.load(checkpoint, weights_only=False)["model"]
    own = dict(load(result.model).named_parameters())
    assert all(torch.equal(own[name], kept[name]) for name in own)
    stage_one = dict(load(result.model.with_name("member.model")).named_parameters())
    assert any(not torch.equal(own[name], stage_one[name]) for name in own)
    # its loss is another from the third epoch on
    losses = [point["loss"] for point in result.learning_curve]
    assert losses[2] < losses[1] / 100


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (
            {"epochs": 10, "settings": {"swa": True, "start_swa": 10}},
            r"begins after 10 epochs .* en",
        ),
        ({"epochs": 1, "settings": {"swa": True}}, r"begins after 1 epochs .* ends after 1"),
        ({"settings": {"swa": True, "patience": 5}}, r"swa: cannot be used with `patience`"),
    ],
)
def test_a_stage_two_that_cannot_be_is_refused(trainer: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingParameters.model_validate({"trainer": trainer})


def test_a_start_that_is_too_short_for_it_is_refused() -> None:
    trainer = {"epochs": 100, "settings": {"swa": True, "start_swa": 75}}
    TrainingParameters.model_validate({"trainer": trainer, "start": {"type": "warm"}})
    with pytest.raises(
        InputError, match=r"length that `start` gives, .*stage two .* ends after 20"
    ):
        TrainingParameters.model_validate(
            {"trainer": trainer, "start": {"type": "warm", "epochs": 20}}
        )


def test_steps_that_end_before_it_are_told_before_the_member_is_trained(
    labelled: PESData, parameters: Make, train: Any, tmp_path: Path
) -> None:
    task = member_task(
        training_set(labelled), tmp_path, parameters(steps=12, swa=True, start_swa=4), 5, 0
    )
    with pytest.raises(ValueError, match=r"begins after 4 epochs .* ends after 4"):
        train(task)
    assert not list(tmp_path.rglob("*.model"))
