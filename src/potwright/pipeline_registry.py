"""Which pipelines there are. Stages import heavy libraries only when they run."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from potwright.pipelines.augmentation import pipeline as augmentation
from potwright.pipelines.evaluation import pipeline as evaluation
from potwright.pipelines.exploration import pipeline as exploration
from potwright.pipelines.labelling import pipeline as labelling
from potwright.pipelines.reporting import pipeline as reporting
from potwright.pipelines.training import pipeline as training
from potwright.pipelines.validation import pipeline as validation

STAGES = {
    "augmentation": augmentation,
    "labelling": labelling,
    "training": training,
    "exploration": exploration,
    "evaluation": evaluation,
}


def register_pipelines() -> dict[str, Pipeline]:
    """Each stage alone, one whole iteration as ``__default__``, and what is done when asked for."""
    # not find_pipelines(): it breaks pipelines combined under --pipelines
    pipelines = {name: stage.create_pipeline() for name, stage in STAGES.items()}
    return {
        **pipelines,
        "__default__": sum(pipelines.values(), start=Pipeline([])),
        "relabelling": labelling.create_relabelling_pipeline(),
        "reporting": reporting.create_pipeline(),
        "validation": validation.create_pipeline(),
    }
