"""What do a watch and a bias find that plain dynamics does not, in as many steps?

A committee that knows an eighth of a pool (a point of benchmarks/label_efficiency.py, calibrated as
a campaign calibrates it) explores from the same starts, temperatures, pressures and seeds in four
ways:

    plain           the driving member alone
    watched         a trajectory stops at the first frame above a threshold, which is kept
    biased          forces draw the dynamics to where the members disagree
    watched_biased  both

Trajectories run one after the other until the budget of steps is spent: who stops early goes on
from the next start. Counted are frames that pass labelling's screening and are uncertain, and how
many of them are further than δ from each other (δ: the median distance of a training structure to
its nearest neighbour, of the mean descriptors of structures, each component in units of its
standard deviation). From each way as many of those are labelled, a committee is trained on them and
on what was known, and tested on molecular dynamics of the labeller itself at 3000 K, from
structures that were held out.

Run: python benchmarks/exploration.py --pool carbon.h5 --cutoff 3.4 --cache DIR [--seeds 1]
     [--steps-of-dynamics 12000] [--labels 40]

The pool is one of carbon (label_efficiency.py --make-carbon). All is kept in the cache.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from carbon_pool import ENGINE, label
from label_efficiency import START, Bench, bench_of, command_line
from sklearn.metrics import pairwise_distances_argmin_min

from potwright.dynamics import AseEngine, Conditions, Schedule
from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.evaluation import nodes as evaluation
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.exploration import nodes as exploration
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.exploration.trajectories import Explored, Plan
from potwright.pipelines.labelling.parameters import ScreeningParameters
from potwright.pipelines.labelling.screening import KEPT, reasons_to_drop
from potwright.pipelines.training.members import train_members
from potwright.potentials import Committee, load_committee
from potwright.quantum import LabelStore
from potwright.randomness import derived_seed, generator
from potwright.uncertainty import PROPERTIES, property_uncertainties

WATCH = {"enabled": True, "every_steps": 20, "times_threshold": 1.0}
ARMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "watched": {"watch": {"disagreement": WATCH}},
    "biased": {"bias": {"enabled": True}},
    "watched_biased": {"watch": {"disagreement": WATCH}, "bias": {"enabled": True}},
}
DYNAMICS: dict[str, Any] = {
    "timestep_fs": 1.0,
    "duration_ps": 1.0,
    "frame_interval_ps": 0.025,
    "design": {
        "type": "space_filling",
        "temperature_range_kelvin": [300, 3000],
        "pressure_range_kbar": [-20, 100],
    },
    "engine": {"type": "ase", "thermostat_time_fs": 50, "barostat_time_fs": 300},
    "device": "cpu",
}
LARGEST_START = 24  # atoms
AT_A_TIME = 4  # trajectories between looks at the budget
TRAJECTORIES_PER_PICOSECOND = 36  # enough for those that stop after 30 steps
HOT_STARTS, HOT_KELVIN, HOT_SCHEDULE = 12, 3000.0, Schedule(1.0, 200.0, 50.0)
logger = logging.getLogger("exploration")


@dataclass(frozen=True)
class Known:
    """What all arms begin with."""

    committee: Committee
    labelled: PESData
    calibration: dict[str, Any]
    evaluation: EvaluationParameters


@dataclass(frozen=True)
class Found:
    """What an arm came to."""

    frames: PESData
    uncertain: PESData
    distinct: PESData
    steps: int
    trajectories: int


def known(bench: Bench, seed: int) -> Known:
    """The committee of an eighth of the pool, with its calibration."""
    rule = "random"
    parameters = EvaluationParameters.model_validate({"error_thresholds": bench.thresholds(seed)})
    point = bench.point(rule, seed, START)
    return Known(
        load_committee(bench.trained(point, seed).folder / "committee"),
        bench.labelled(point, seed),
        bench.calibration(rule, seed, START, parameters),
        parameters,
    )


# ---------------------------------------------------------------- exploring


def plan_of(known: Known, trajectories: int, seed: int) -> Plan:
    """Starts in random order, again and again, each time under other conditions."""
    labelled = known.labelled[(known.labelled.n_atoms <= LARGEST_START)]
    parameters = ExplorationParameters.model_validate(DYNAMICS)
    rng = generator(seed, "exploration benchmark")
    turns = -(-trajectories // len(labelled))
    order = np.concatenate([rng.permutation(len(labelled)) for _ in range(turns)])[:trajectories]
    starts = PESData.concatenate([labelled[[i]] for i in order])
    assigned = parameters.design.assign(len(starts), rng)
    return Plan(
        starts=starts,
        conditions=tuple(conditions for _, conditions in assigned),
        seeds=tuple(derived_seed(seed, "trajectory", i) for i in range(len(starts))),
        driver_draw=0.0,
        iteration=1,
    )


def part_of(plan: Plan, chosen: slice) -> Plan:
    return replace(
        plan,
        starts=plan.starts[chosen],
        conditions=plan.conditions[chosen],
        seeds=plan.seeds[chosen],
    )


def explore(known: Known, plan: Plan, arm: str, budget: int, workspace: Path) -> Found:
    """Run trajectories in their order until the budget is spent."""
    parameters = ExplorationParameters.model_validate(
        DYNAMICS | ARMS[arm] | {"executor": LocalExecutor(workers=2)}
    )
    parts: list[PESData] = []
    steps = trajectories = 0
    for first in range(0, len(plan.starts), AT_A_TIME):
        some = part_of(plan, slice(first, first + AT_A_TIME))
        folder = workspace / f"{arm}-{first}"
        folder.mkdir(parents=True, exist_ok=True)
        done = exploration.run_dynamics(
            known.committee, some, folder, parameters, known.calibration
        )
        affordable = _affordable(done, budget - steps)
        steps += sum(one.trajectory.steps for one in done[:affordable] if one.trajectory)
        trajectories += affordable
        within = slice(0, affordable)
        parts.append(exploration.collect_frames(part_of(some, within), done[within], parameters))
        if steps >= budget:
            break
    frames = PESData.concatenate(parts).drop_duplicates()
    uncertain = uncertain_of(known, frames)
    return Found(frames, uncertain, distinct(known, uncertain), steps, trajectories)


def _affordable(done: list[Explored], budget: int) -> int:
    """How many of the trajectories begin within the budget."""
    spent = np.cumsum([0, *(one.trajectory.steps if one.trajectory else 0 for one in done)])
    return int((spent[:-1] < budget).sum())


def uncertain_of(known: Known, frames: PESData) -> PESData:
    """Those that labelling would accept, and evaluation calls uncertain."""
    predictions = known.committee.predict(frames, device="cpu")
    judged = evaluation.judge(
        predictions, frames, known.labelled, known.calibration, known.evaluation
    )
    reasons = reasons_to_drop(frames, [known.labelled, frames], ScreeningParameters())
    return frames[judged["uncertain"].to_numpy(bool) & np.asarray(reasons == KEPT)]


def distinct(known: Known, frames: PESData) -> PESData:
    """One frame after the other, unless it is within δ of one that was taken."""
    if not len(frames):
        return frames
    training = means(known.committee, known.labelled)
    scale = training.std(axis=0)
    scale[scale == 0] = 1.0
    from_training = training / scale
    near = np.linalg.norm(from_training[:, None] - from_training[None], axis=-1)
    np.fill_diagonal(near, np.inf)
    delta = np.median(near.min(axis=1))
    points = means(known.committee, frames) / scale
    taken = [0]
    for i in range(1, len(points)):
        if pairwise_distances_argmin_min(points[[i]], points[taken])[1][0] > delta:
            taken.append(i)
    return frames[np.array(taken)]


def means(committee: Committee, pes: PESData) -> np.ndarray:
    """Mean descriptor of each structure, (S, K)."""
    of_atoms = committee.descriptors(pes, device="cpu")
    return np.add.reduceat(of_atoms, pes.offsets[:-1]) / pes.n_atoms[:, None]


# ---------------------------------------------------------------- testing


def hot_test(bench: Bench, seed: int, store: LabelStore, folder: Path) -> PESData:
    """Frames of the labeller's own dynamics, from structures that nobody trains on."""
    path = folder / "hot.h5"
    if not path.is_file():
        test = bench.data[bench.sides(seed)[0]]
        small = test[(test.n_atoms <= LARGEST_START) & (test.n_atoms > 2)]
        starts = small[generator(seed, "hot").permutation(len(small))[:HOT_STARTS]]
        frames = [hot_frames(atoms, i) for i, atoms in enumerate(starts.to_atoms())]
        calculated = label(PESData.concatenate(frames), store, LocalExecutor(workers=2))
        calculated.write(path)
    return PESData.read(path)


@dataclass(frozen=True)
class Labeller:
    """The quantum engine, as what drives dynamics."""

    structure: Atoms

    def calculator(self, device: str = "auto") -> Any:
        return ENGINE.make_calculator(self.structure)


def hot_frames(atoms: Atoms, seed: int) -> PESData:
    engine = AseEngine(ensemble="nvt", thermostat_time_fs=20)
    conditions = Conditions(HOT_KELVIN)
    return engine.run_trajectory(atoms, Labeller(atoms), conditions, HOT_SCHEDULE, seed=seed).frames


def errors(committee: Committee, test: PESData) -> dict[str, float]:
    """Root mean square errors of members (ε) and of their mean (b), in milli-units."""
    measured = property_uncertainties(
        committee.predict(test, device="cpu"), test.energy, test.forces, test.stress
    )
    return {
        f"{symbol} {name}": float(1000 * np.sqrt(np.nanmean(values**2)))
        for name in PROPERTIES
        for symbol, values in (
            ("ε", measured[name].member_error),
            ("b", measured[name].mean_error),
        )
    }


def learnt(bench: Bench, known: Known, new: PESData, folder: Path, seed: int) -> Committee:
    """A committee trained on what was known and on new labels, of which one in six validates."""
    split = np.where(np.arange(len(new)) % 6 == 5, "validation", "training")
    both = PESData.concatenate([known.labelled, new.replace(split=split)]).replace(iteration=1)
    count = int((both.split == "training").sum())
    folder.mkdir(parents=True, exist_ok=True)
    return train_members(both, folder, bench.validated_last(count), seed, 1)


# ---------------------------------------------------------------- the run


def compare(bench: Bench, seed: int, budget: int, labels: int) -> pd.DataFrame:
    """One row per arm."""
    folder = bench.folder / "exploration" / f"seed_{seed}"
    store = LabelStore(bench.folder / "exploration" / "labels.db")
    beginning = known(bench, seed)
    plan = plan_of(beginning, TRAJECTORIES_PER_PICOSECOND * budget // 1000, seed)
    found = {arm: explore(beginning, plan, arm, budget, folder / "md") for arm in ARMS}
    test = hot_test(bench, seed, store, folder)
    count = min(labels, *(len(one.distinct) for one in found.values()))
    rows = [{"arm": "nothing new", **errors(beginning.committee, test)}]
    for arm, one in found.items():
        draw = generator(seed, "labels").permutation(len(one.distinct))[:count]
        new = label(one.distinct[np.sort(draw)], store, LocalExecutor(workers=2))
        committee = learnt(bench, beginning, new, folder / f"training_{arm}", seed)
        rows.append(
            {
                "arm": arm,
                "trajectories": one.trajectories,
                "steps": one.steps,
                "frames": len(one.frames),
                "uncertain": len(one.uncertain),
                "distinct": len(one.distinct),
                "labels": len(new),
                **errors(committee, test),
            }
        )
        print(pd.DataFrame(rows).round(1).to_string(index=False), flush=True)
    return pd.DataFrame(rows).assign(seed=seed)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--steps-of-dynamics", type=int, default=12_000)
    parser.add_argument("--labels", type=int, default=40, help="bought from each, at most")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    bench = bench_of(given)
    tables = [compare(bench, seed, given.steps_of_dynamics, given.labels) for seed in given.seeds]
    print(pd.concat(tables).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
