from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase.build import bulk

from potwright.errors import InputError
from potwright.pipelines.training.mace.settings import OWN_SETTINGS, arguments, known_settings
from potwright.pipelines.training.parameters import MACETrainer, TrainingParameters
from potwright.potentials.mace import quiet_import


def test_an_unknown_setting_of_mace_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"num_chanels: unknown key; did you mean 'num_channels'"):
        TrainingParameters.model_validate({"trainer": {"settings": {"num_chanels": 16}}})


@pytest.mark.parametrize("name", sorted(OWN_SETTINGS))
def test_settings_that_potwright_decides_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"'{name}' is set by Potwright itself \("):
        MACETrainer.model_validate({"settings": {name: 1}})


def test_settings_that_potwright_decides_are_settings_of_mace() -> None:
    assert set(OWN_SETTINGS) <= set(known_settings())


def test_known_settings_are_those_of_maces_own_parser() -> None:
    with quiet_import():
        from mace.tools import build_default_arg_parser

    actions = build_default_arg_parser()._actions
    assert set(known_settings()) == {action.dest for action in actions} - {"help"}


def test_settings_are_checked_without_importing_torch() -> None:
    program = (
        "import sys; from potwright.pipelines.training.parameters import MACETrainer; "
        "MACETrainer(settings={'lr': 0.1}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"members": 1}, r"members = 1: .*greater than or equal to 2"),
        ({"split": {"training": 0.8, "validation": 0.3}}, r"must add up to 1, not to 1.2"),
        ({"split": {"training": 1.0}}, r"split.training = 1.0: .*less than 1"),
        ({"trainer": {"epoch": 3}}, r"trainer.epoch: unknown key; did you mean 'epochs'"),
        ({"trainer": {"epochs": 0}}, r"trainer.epochs = 0"),
        ({"trainer": {"learning_rate_decay": 0}}, r"learning_rate_decay = 0"),
        (
            {"trainer": {"settings": {"loss": "nonsense"}}},
            r"trainer.settings: argument --loss: invalid choice: 'nonsense' \(choose from",
        ),
        (
            {"trainer": {"settings": {"max_L": "one"}}},
            r"argument --max_L: invalid int value: 'one'",
        ),
        (
            {"trainer": {"settings": {"amsgrad": False}}},
            r"trainer.settings: amsgrad: is always True in MACE, which cannot change it",
        ),
        (
            {"trainer": {"settings": {"lbfgs": True}}},
            r"trainer.settings: lbfgs: cannot be used here: MACE takes one step per epoch",
        ),
        ({"trainer": {"settings": {"dry_run": True}}}, r"dry_run: cannot .*: it trains nothing"),
        ({"trainer": {"type": "nequip"}}, r"trainer.type = 'nequip'"),
        (
            {"start": {"type": "warm", "epochs": 5, "optimiser_steps": 50}},
            r"`epochs` and `optimiser_steps` both say how long",
        ),
        (
            {"start": {"type": "foundation", "model": "s", "epochs": 5, "optimiser_steps": 50}},
            r"`epochs` and `optimiser_steps` both say how long",
        ),
        (
            {
                "trainer": {
                    "type": "metatrain",
                    "architecture": "pet",
                    "settings": {"training": {"max_atoms_per_batch": 100}},
                },
                "start": {"type": "warm", "optimiser_steps": 50},
            },
            r"length that `start` gives, trainer.*max_atoms_per_batch",
        ),
    ],
)
def test_mistakes_are_named(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingParameters.model_validate(given)


def test_a_flag_takes_no_value_and_false_leaves_it_out() -> None:
    given = {"ema": True, "swa": False, "lr": 0.1, "keep_isolated_atoms": True}
    assert arguments(given) == ["--ema", "--lr=0.1", "--keep_isolated_atoms=True"]


def test_a_flag_that_switches_off_is_there_for_false() -> None:
    assert arguments({"foundation_model_readout": False}) == ["--foundation_model_readout"]
    assert arguments({"foundation_model_readout": True, "amsgrad": True}) == []


def test_the_defaults_are_those_of_the_paper() -> None:
    parameters = TrainingParameters()
    assert parameters.members == 4
    assert parameters.split.model_dump() == {"training": 0.8, "validation": 0.1, "test": 0.1}
    assert parameters.trainer.epochs == 500


def test_a_start_that_is_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "text.model").write_text("no model")
    for model, message in (
        ("models/none.model", r"training.start.model = 'models/none.model': there is no such file"),
        (str(tmp_path / "text.model"), r"is no model that is known here; needed is a MACE model"),
    ):
        start = {"type": "foundation", "model": model}
        with pytest.raises(InputError, match=message):
            TrainingParameters.model_validate({"start": start}).verify()
    named = {"type": "foundation", "model": "small"}  # MACE knows it
    TrainingParameters.model_validate({"start": named}).verify()


@pytest.fixture
def replaying(tmp_path: Path) -> Callable[..., TrainingParameters]:
    """Parameters that replay so many copper crystals, whose energies are under one of two names."""

    def make(energies: int, key: str = "REF_energy", **start: Any) -> TrainingParameters:
        crystals = [bulk("Cu", a=3.5 + number / 100) for number in range(12)]
        for atoms in crystals[:energies]:
            atoms.info[key] = -1.0
        path = tmp_path / f"{energies}_{key}.xyz"
        ase.io.write(path, crystals, format="extxyz")
        given = {
            "type": "foundation",
            "model": "small",
            "method": "multihead",
            "replay": str(path),
            "replay_labels": "REF_",
        }
        return TrainingParameters.model_validate({"start": given | start})

    return make


def test_what_cannot_be_replayed_is_refused_before_anything_runs(
    replaying: Callable[..., TrainingParameters], tmp_path: Path
) -> None:
    (tmp_path / "text.xyz").write_text("no structures")
    for parameters, message in (
        (replaying(12, replay=str(tmp_path / "none.xyz")), r"replay: .*none.xyz: there is no such"),
        (replaying(12, replay=str(tmp_path / "text.xyz")), r"text.xyz cannot be read as structure"),
        (replaying(9), r"holds 9 structures with an energy, and at least 10 are needed"),
        (replaying(12, "other_energy"), r"holds 0 structures .*`replay_labels` \('REF_'\) says"),
    ):
        with pytest.raises(InputError, match=message):
            parameters.verify()
    replaying(10).verify()


def test_too_few_to_replay_of_the_species_are_told_before_labels_are_paid_for(
    replaying: Callable[..., TrainingParameters],
) -> None:
    replaying(12).refuse_species([29, 79])
    with pytest.raises(InputError, match=r"holds 0 .*, of the species that are trained, and at"):
        replaying(12).refuse_species([79])
