"""Blocks with a ``type``, as overlays and --params change them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from potwright import settings
from potwright.configuration import ConfigLoader, ProjectParameters
from potwright.errors import InputError
from potwright.pipelines.evaluation.parameters import TopSelection
from potwright.pipelines.exploration.design import GridDesign
from potwright.quantum import ASEEngine, TBLiteEngine

CONF = Path(__file__).parents[2] / "conf"


def parameters(tmp_path, overlay, **runtime):
    """What the shipped configuration becomes under an overlay and --params."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "parameters.yml").write_text(yaml.safe_dump(overlay))
    loader = settings.CONFIG_LOADER_CLASS(
        str(tmp_path),
        env="mine",
        runtime_params=runtime,
        **{**settings.CONFIG_LOADER_ARGS, "base_env": str(CONF / "base")},
    )
    assert isinstance(loader, ConfigLoader)
    return ProjectParameters.model_validate(loader["parameters"])


GRID = {"type": "grid", "temperatures_kelvin": [300, 600], "pressures_kbar": [0]}
EMT = {"type": "ase", "calculator": "ase.calculators.emt.EMT"}


def test_an_overlay_that_names_another_type_begins_the_block_anew(tmp_path):
    chosen = parameters(
        tmp_path,
        {
            "exploration": {"design": GRID},
            "labelling": {"engine": EMT},
            "evaluation": {"selection": {"type": "top"}},
        },
    )
    assert chosen.exploration.design == GridDesign(**GRID)
    assert chosen.labelling.engine == ASEEngine(**EMT)
    assert chosen.evaluation.selection == TopSelection()


def test_so_do_params_of_the_command_line(tmp_path):
    chosen = parameters(tmp_path, {"exploration": {"n_starts": 3}}, exploration={"design": GRID})
    assert chosen.exploration.design == GridDesign(**GRID)
    assert chosen.exploration.n_starts == 3


def test_params_win_over_an_overlay_of_another_type(tmp_path):
    tblite = {"engine": {"type": "tblite", "method": "GFN2-xTB"}}
    chosen = parameters(tmp_path, {"labelling": {"engine": EMT}}, labelling=tblite)
    assert chosen.labelling.engine == TBLiteEngine(method="GFN2-xTB")


def test_an_overlay_of_the_same_type_keeps_what_it_does_not_name(tmp_path):
    chosen = parameters(tmp_path, {"labelling": {"engine": {"type": "tblite", "accuracy": 0.1}}})
    assert chosen.labelling.engine == TBLiteEngine(accuracy=0.1)


def test_a_key_of_another_type_is_refused(tmp_path):
    overlay = {"exploration": {"design": {**GRID, "temperature_range_kelvin": [0, 10]}}}
    with pytest.raises(InputError, match=r"^exploration.design.temperature_range_kelvin: unknown"):
        parameters(tmp_path, overlay)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            {"augmentation": {"rattle": {"ratle_fraction": 0.1}}},
            "augmentation.rattle.ratle_fraction: unknown key; did you mean 'rattle_fraction'?",
        ),
        ({"explorration": {}}, "explorration: unknown key; did you mean 'exploration'?"),
        (
            {"campaign": {"max_iteration": 3}},
            "campaign.max_iteration: unknown key; did you mean 'max_iterations'?",
        ),
        ({"training": {"members": 1}}, "training.members = 1: Input should be greater than or"),
        (
            {"evaluation": {"error_thresholds": {"energy_mev_per_atom": 0}}},
            "evaluation.error_thresholds.energy_mev_per_atom = 0: must be greater than 0",
        ),
        (
            {"evaluation": {"error_thresholds": {"forces_mev_per_angstrom": -5}}},
            "evaluation.error_thresholds.forces_mev_per_angstrom = -5: must be greater than 0",
        ),
        (
            {"training": {"trainer": {"settings": {"num_chanels": 8}}}},
            "num_chanels: unknown key; did you mean 'num_channels'?",
        ),
        (
            {"labelling": {"engine": {"type": "vasp"}}},
            "labelling.engine.type = 'vasp': no such type; did you mean 'ase'? (allowed: ase, comm",
        ),
        ({"labelling": {"engine": {"type": "ase"}}}, "labelling.engine.calculator: required"),
        ({"seed": "one"}, "seed = 'one': Input should be a valid integer"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_named_by_its_whole_key_with_what_is_allowed(tmp_path, mistake, message):
    with pytest.raises(InputError) as caught:
        parameters(tmp_path, mistake)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("env", ["base", "demo", "slurm"])
def test_the_shipped_configuration_is_valid(env):
    loader = ConfigLoader(str(CONF), env=env, **settings.CONFIG_LOADER_ARGS)
    ProjectParameters.model_validate(loader["parameters"])


def test_files_are_read_once_and_what_is_changed_is_ones_own(monkeypatch):
    loader = ConfigLoader(str(CONF), env="demo", **settings.CONFIG_LOADER_ARGS)
    seed = loader["parameters"]["seed"]
    loader["parameters"]["seed"] = seed + 1
    monkeypatch.setattr(loader, "_read_raw_config", lambda key: pytest.fail("read again"))
    assert loader["parameters"]["seed"] == seed
    monkeypatch.undo()
    loader.runtime_params = {"seed": 7}
    assert loader["parameters"]["seed"] == 7
