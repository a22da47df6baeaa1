"""The same structures at another level of theory: a dataset of its own."""

from __future__ import annotations

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.labelling.candidates import without_labels
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import EngineParameters


def other_engine(parameters: LabellingParameters) -> EngineParameters:
    """The engine at the level that is asked for.

    Raises
    ------
    InputError
        If none is asked for.
    """
    if parameters.relabel_to is None:
        raise InputError(
            "labelling.relabel_to: say at which level of labelling.levels; `kedro campaign relabel "
            "--level NAME` does so"
        )
    return parameters.engine_at(parameters.relabel_to)


def choose(labelled: PESData, parameters: LabellingParameters) -> PESData:
    """All labelled structures, without their labels; group, split and iteration stay.

    Raises
    ------
    InputError
        If they are of the wanted level already.
    """
    level = other_engine(parameters).level_of_theory()
    if len(labelled) and set(labelled.level_of_theory.tolist()) == {level.hash}:
        raise InputError(
            f"labelled_structures is at level {level} already; in labelling.levels that is called "
            f"{parameters.relabel_to!r}"
        )
    return without_labels(labelled)
