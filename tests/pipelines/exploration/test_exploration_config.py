from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.exploration.pipeline import create_pipeline

ROOT = Path(__file__).parents[3]


def merged(base: dict, overlay: dict) -> dict:
    both = {
        k: merged(base[k], v) if isinstance(v, dict) else v for k, v in overlay.items() if k in base
    }
    return {**base, **overlay, **both}


def test_the_shipped_defaults_are_those_of_the_model():
    text = (ROOT / "conf/base/parameters_exploration.yml").read_text()
    assert (
        ExplorationParameters.model_validate(yaml.safe_load(text)["exploration"])
        == ExplorationParameters()
    )


def test_the_demo_collects_about_fifty_frames():
    base, demo = (
        yaml.safe_load((ROOT / "conf" / env / "parameters_exploration.yml").read_text())
        for env in ("base", "demo")
    )
    parameters = ExplorationParameters.model_validate(
        merged(base["exploration"], demo["exploration"])
    )
    schedule = parameters.schedule()
    frames = sum(schedule.has_frame(step) for step in range(schedule.steps + 1))
    assert schedule.steps == 240
    assert parameters.n_starts * frames == pytest.approx(44, abs=4)


def test_the_pipeline_takes_and_gives_what_the_campaign_expects():
    pipeline = create_pipeline()
    assert {n for n in pipeline.inputs() if not n.startswith("params:")} == {
        "augmented_structures",
        "labelled_structures",
        "committee",
        "calibration_previous",
        "exploration_workspace",
    }
    assert pipeline.outputs() == {"explored_structures", "exploration_report"}
