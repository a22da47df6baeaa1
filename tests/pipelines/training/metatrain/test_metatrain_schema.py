from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from potwright.errors import InputError
from potwright.pipelines.training.metatrain.schema import (
    OWN_SETTINGS,
    OWN_SETTINGS_OF_WRAPPERS,
    default,
    known_settings,
)
from potwright.pipelines.training.parameters import TrainingParameters


def trainer(**given: Any) -> Any:
    block = {"type": "metatrain", "architecture": "soap_bpnn", **given}
    return TrainingParameters.model_validate({"trainer": block}).trainer


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"settings": {"model": {"soap": {"cutof": {}}}}},
            r"trainer.settings: model.soap.cutof: unknown key; did you mean 'cutoff'",
        ),
        (
            {"settings": {"training": {"learning_rat": 1}}},
            r"training.learning_rat: unknown key; did you mean 'learning_rate'",
        ),
        ({"settings": {"modell": {}}}, r"trainer.settings: modell: .*did you mean 'model'"),
        (
            {"settings": {"model": {"soap": {"max_angular": 1.5}}}},
            r"model.soap.max_angular = 1.5: .*integer",
        ),
        (
            {"settings": {"training": {"best_model_metric": "rms"}}},
            r"best_model_metric = 'rms': Input should be 'rmse_prod', 'mae_prod' or 'loss'",
        ),
        ({"settings": {"model": {"soap": 4}}}, r"model.soap = 4: must be a block of settings"),
        ({"architecture": "soap_bpn"}, r"architecture = 'soap_bpn'.*did you mean 'soap_bpnn'"),
        ({"llpr": {"model": {"num_ensembles": {}}}}, r"trainer.llpr: model.num_ensembles: unknown"),
        (
            {"settings": {"training": {"max_atoms_per_batch": 9}}, "optimiser_steps": 3},
            r"`optimiser_steps` cannot be counted beforehand",
        ),
        *(
            ({"settings": {"training": {name: 1}}}, rf"'training.{name}' is set by Potwright")
            for name in OWN_SETTINGS
        ),
        *(
            ({"llpr": {"training": {name: 1}}}, rf"'training.{name}' is set by Potwright")
            for name in OWN_SETTINGS_OF_WRAPPERS
        ),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        trainer(**given)


def test_what_metatrain_knows_passes() -> None:
    given = {
        "model": {"soap": {"cutoff": {"radius": 4}}, "heads": {"energy": "mlp"}},
        "training": {"loss": {"energy": {"type": "huber", "weight": 2.0}}, "learning_rate": 1e-3},
    }
    assert trainer(settings=given).settings == given


@pytest.mark.parametrize("architecture", ["soap_bpnn", "pet", "llpr"])
def test_known_settings_and_defaults_are_those_of_metatrain_itself(architecture: str) -> None:
    from metatrain.utils.architectures import get_default_hypers, get_hypers_classes

    classes = get_hypers_classes(architecture)
    for section, name in (("model", "model"), ("training", "trainer")):
        assert set(known_settings(architecture, section)) == set(classes[name].__annotations__)
    batch = get_default_hypers(architecture)["training"]["batch_size"]
    assert default(architecture, "training", "batch_size") == batch


def test_settings_are_checked_without_importing_torch() -> None:
    program = (
        "import sys; from potwright.pipelines.training.metatrain import MetatrainTrainer; "
        "MetatrainTrainer(type='metatrain', architecture='pet', "
        "settings={'model': {'cutoff': 4.0}, 'training': {'loss': 'mse'}}); "
        "assert not {'torch', 'metatrain'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("architecture", "method", "accepted"),
    [
        ("soap_bpnn", "naive", True),
        ("pet", "lora", True),
        ("soap_bpnn", "lora", False),
        ("pet", "multihead", False),
    ],
)
def test_ways_to_fine_tune_are_those_of_the_architecture(
    architecture: str, method: str, accepted: bool
) -> None:
    start = {"type": "foundation", "model": "m.ckpt", "method": method}
    start |= {"replay": "r.xyz"} if method == "multihead" else {}
    block = {
        "trainer": {"type": "metatrain", "architecture": architecture},
        "start": start,
    }
    if accepted:
        TrainingParameters.model_validate(block)
    else:
        with pytest.raises(InputError, match=rf"start.method = '{method}': with this trainer"):
            TrainingParameters.model_validate(block)
