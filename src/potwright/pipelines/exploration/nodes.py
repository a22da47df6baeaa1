"""The steps of the exploration stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.exploration import design, frames, starts, trajectories
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.exploration.trajectories import Explored, Plan
from potwright.potentials import Committee
from potwright.randomness import derived_seed, generator


def choose_starts(
    augmented_structures: PESData,
    labelled_structures: PESData,
    parameters: ExplorationParameters,
    campaign: CampaignParameters,
    seed: int,
) -> Plan:
    """Draw labelled augmented structures by their split, or take those listed; design (T, P)."""
    iteration = campaign.iteration_of(labelled_structures.iteration)
    place = ("exploration", iteration)
    if parameters.starts is None:
        possible = starts.possible_starts(augmented_structures, labelled_structures)
        fit = parameters.fit_starts(possible)
        chosen = starts.draw_starts(fit, parameters.n_starts, generator(seed, *place))
    else:
        listed = starts.listed_starts(parameters.starts, augmented_structures, labelled_structures)
        chosen = parameters.fit_starts(listed)
    assigned = parameters.design.assign(len(chosen), generator(seed, *place, "design"))
    of_trajectories = chosen[[i for i, _ in assigned]]
    return Plan(
        starts=of_trajectories,
        conditions=design.acting(
            [conditions for _, conditions in assigned], of_trajectories.pbc, parameters.engine
        ),
        seeds=tuple(derived_seed(seed, *place, "trajectory", i) for i in range(len(assigned))),
        driver_draw=float(generator(seed, *place, "driver").random()),
        iteration=iteration,
    )


def run_dynamics(
    committee: Committee,
    exploration_plan: Plan,
    exploration_workspace: Path,
    parameters: ExplorationParameters,
    calibration_previous: dict[str, Any],
) -> list[Explored]:
    """Run the trajectories that the workspace does not hold yet, driven by one member."""
    return trajectories.run(
        exploration_plan, committee, exploration_workspace, parameters, calibration_previous
    )


def collect_frames(
    exploration_plan: Plan, trajectories: list[Explored], parameters: ExplorationParameters
) -> PESData:
    """Join the frames of all trajectories; each inherits the group and the split of its start."""
    return frames.collect(exploration_plan, trajectories, parameters)


def exploration_report(
    exploration_plan: Plan, trajectories: list[Explored], parameters: ExplorationParameters
) -> pd.DataFrame:
    """Say of each trajectory where it started, under which conditions, and why it ended."""
    return frames.table(exploration_plan, trajectories, parameters)
