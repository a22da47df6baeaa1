"""Test error against number of labels, for each selection rule, on a labelled pool.

Seeds 1 to 5 hold out one fifth of the structures each as the test set, in whole groups, so that
together they test on everything once; the rest is the pool P. A committee is trained on a random
eighth of P. Then each rule buys up to a quarter, with what that committee says of the rest, a
committee is trained on it, and buys up to a half. All of P is the last point. Committees are
trained from scratch by the training stage, all for the same number of optimiser steps; frames are
judged and selected by the evaluation stage. Rules:

    random_control   drawn from all frames
    random           drawn from those above a calibrated threshold (the paper's rule)
    top              largest disagreement over its threshold
    farthest_point   farthest-point sampling on the committee's descriptors
    coverage         covers the environments where disagreement is, see coverage.py there
    proportional     drawn with weights in proportion to disagreement: our own, as far as is known

What an active rule buys includes the audit sample, which calibrates its thresholds. The error that
is accepted, ε_thr, is that of the committee trained on all of P, on P's own validation set. Where
fewer frames are uncertain than are to be bought, the rest is drawn at random. One in six bought
structures validates. Everything is kept in the cache; the same command goes on where it was.

Run: python benchmarks/label_efficiency.py --pool FILE … [--quick] [--cache DIR] [--seeds 1 2 3]
     python benchmarks/label_efficiency.py --make-carbon FILE
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from label_efficiency_report import write_report

from potwright.files import complete_or_absent
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.evaluation import nodes as evaluation
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.training.nodes import train_committee
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.potentials import Committee, load_committee
from potwright.randomness import generator
from potwright.uncertainty import PROPERTIES, Predictions, property_uncertainties

PROJECT = Path(__file__).parents[1]
CACHE = PROJECT / "data" / "benchmarks" / "label_efficiency"
MAX_ATOMS = 64
FOLDS = 5
ONE_VALIDATES_IN = 6
DECAY = 0.02
AUDIT = 8
RULES = ("random_control", "random", "proportional", "top", "farthest_point", "coverage")
START, FULL = Fraction(1, 8), Fraction(1)
STEPS = (START, Fraction(1, 4), Fraction(1, 2))
BETWEEN = {START: Fraction(1, 6), Fraction(1, 4): Fraction(1, 3)}
MODEL: dict[str, Any] = {
    "model": "ScaleShiftMACE",
    "r_max": 4.2,
    "num_interactions": 2,
    "max_ell": 2,
    "max_L": 0,
    "num_channels": 16,
    "correlation": 2,
    "radial_MLP": "[16, 16]",
    "lr": 0.02,
    # four structures a step take twice the time of one, on a CPU
    "batch_size": 4,
    # squares, as the errors that are reported; weights make the three parts comparable
    "loss": "stress",
    "energy_weight": 1000,
    "forces_weight": 100,
    "stress_weight": 10_000,
    "ema": True,
    "ema_decay": 0.99,
    "default_dtype": "float32",
}
QUICK_RULES = ("random", "proportional")
MILLI = {
    "energy": "energy_mev_per_atom",
    "forces": "forces_mev_per_angstrom",
    "stress": "stress_mev_per_angstrom3",
}
# models are traced as they are loaded, which other threads of a process must not see
MODELS_IN_USE = Lock()
logger = logging.getLogger("label_efficiency")


@dataclass(frozen=True)
class Point:
    """What has been bought: indices into the data, and those of audits by iteration."""

    bought: tuple[int, ...]
    audits: dict[int, int] = field(default_factory=dict)
    uncertain: float | None = None


class Trained:
    """A committee of the cache, with what it says of all structures."""

    def __init__(self, folder: Path, data: PESData):
        self.folder, self.data = folder, data
        self.record = json.loads((folder / "committee" / "committee.json").read_text())
        self.predictions = Predictions.read(folder / "predictions.h5")

    @cached_property
    def _descriptors(self) -> np.ndarray:
        path = self.folder / "descriptors.npy"
        if not path.is_file():
            with MODELS_IN_USE:
                committee = load_committee(self.folder / "committee")
                found = committee.descriptors(self.data, device="cpu")
            with complete_or_absent(path) as temporary, temporary.open("wb") as file:
                np.save(file, found.astype(np.float32))
        return np.load(path)

    def descriptors(self, pes: PESData, executor: Any = None, device: str = "cpu") -> np.ndarray:
        """Those of ``pes``, from the cache; what a selection rule asks for."""
        starts, ends = self.data.offsets[:-1], self.data.offsets[1:]
        parts = [self._descriptors[starts[i] : ends[i]] for i in self.data.index_of(pes.id)]
        return np.concatenate(parts).astype(float)


class Bench:
    """One pool and one way of training; everything that it does is in its folder."""

    def __init__(
        self,
        data: PESData,
        name: str,
        cache: Path,
        steps: int,
        settings: dict[str, Any],
        *,
        members_at_a_time: int = 1,
        device: str = "cpu",
    ):
        # iteration 1: the reference energies are fitted to all that is bought
        self.data = data.replace(iteration=1)
        self.training = TrainingParameters.model_validate(
            {
                "members": 3,
                "trainer": {
                    "type": "mace",
                    "optimiser_steps": steps,
                    "learning_rate_decay": DECAY,
                    "settings": settings,
                },
                "executor": {"type": "local", "workers": members_at_a_time},
                "device": device,
            }
        )
        # only what decides the result: keys that later releases add do not change the place
        known = json.dumps({"steps": steps, "decay": DECAY, "settings": settings}, sort_keys=True)
        self.folder = cache / f"{name}-{_digest(*_bytes(data))}" / f"{steps}-{_digest(known)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "trainer.json").write_text(known)
        self._busy: dict[str, Lock] = {}
        self._busy_lock = Lock()
        self._sides: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    # ---------------------------------------------------------------- who is where

    def sides(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices of the test set; the pool in the order of random draws; who of it validates."""
        if seed not in self._sides:
            from sklearn.model_selection import StratifiedGroupKFold

            turn, fold = divmod(seed - 1, FOLDS)
            folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=turn)
            parts = list(folds.split(self.data.energy, self.data.origin, self.data.group))
            pool, test = parts[fold]
            order = generator(seed, "label_efficiency", "order").permutation(pool)
            self._sides[seed] = (test, order, order[ONE_VALIDATES_IN - 1 :: ONE_VALIDATES_IN])
        return self._sides[seed]

    def count(self, seed: int, fraction: Fraction) -> int:
        """How many labels this fraction of the pool is."""
        return round(fraction * len(self.sides(seed)[1]))

    def labelled(self, point: Point, seed: int) -> PESData:
        """What was bought, with its split, and the iteration that bought it."""
        index = np.sort(point.bought)
        validates = np.isin(index, self.sides(seed)[2])
        rows = self.data[index]
        iteration = [point.audits.get(int(i), 1) for i in index]
        info = [
            dict(known) | {"audit": int(i) in point.audits}
            for i, known in zip(index, rows.info, strict=True)
        ]
        split = np.where(validates, "validation", "training")
        return rows.replace(split=split, iteration=iteration, info=info)

    # ---------------------------------------------------------------- training

    def trained(self, point: Point, seed: int) -> Trained:
        """The committee trained on these labels; the same labels are trained on once."""
        labelled = self.labelled(point, seed)
        folder = self._place(labelled, seed)
        with self._busy_lock:
            lock = self._busy.setdefault(folder.name, Lock())
        with lock:
            if not (folder / "predictions.h5").is_file():
                self._train(labelled.replace(iteration=1), seed, folder)
            return Trained(folder, self.data)

    def known(self, rule: str, seed: int, fraction: Fraction) -> Trained | None:
        """The committee of a point, if the cache holds it."""
        name = f"{rule}-seed_{seed}-{fraction.numerator}_{fraction.denominator}.json"
        drawn = fraction in (START, FULL) or rule == "random_control"
        if not (drawn or (self.folder / "bought" / name).is_file()):
            return None
        folder = self._place(self.labelled(self.point(rule, seed, fraction), seed), seed)
        whole = (folder / "predictions.h5").is_file()
        return Trained(folder, self.data) if whole else None

    def _place(self, labelled: PESData, seed: int) -> Path:
        key = _digest(str(seed), *labelled.id.tolist(), *labelled.split.tolist())
        return self.folder / "committees" / key

    def _train(self, labelled: PESData, seed: int, folder: Path) -> None:
        workspace = self.folder / "workspace" / folder.name
        workspace.mkdir(parents=True, exist_ok=True)
        parameters = self.validated_last(int((labelled.split == "training").sum()))
        committee: Committee = train_committee(
            labelled, workspace, parameters, CampaignParameters(iteration=1), seed
        )
        if len(committee) < self.training.members:
            raise RuntimeError(f"{committee.record['failures']}")
        if not (folder / "committee").is_dir():
            committee.save(folder / "committee")
        with MODELS_IN_USE:
            found = load_committee(folder / "committee").predict(self.data, device="cpu")
        found.write(folder / "predictions.h5")
        shutil.rmtree(workspace)

    def validated_last(self, structures: int) -> TrainingParameters:
        """MACE keeps the best model that it validates: here the last one, so no set chooses."""
        trainer = self.training.trainer
        epochs = max(round((trainer.optimiser_steps or 1) / structures), 1)
        settings = trainer.settings | {"eval_interval": max(epochs - 1, 1)}
        last = trainer.model_copy(update={"settings": settings})
        return self.training.model_copy(update={"trainer": last})

    # ---------------------------------------------------------------- buying

    def point(self, rule: str, seed: int, fraction: Fraction) -> Point:
        """What ``rule`` has bought at this size, from the cache or by selecting it now."""
        _, order, _ = self.sides(seed)
        wanted = self.count(seed, fraction)
        if fraction in (START, FULL) or rule == "random_control":
            return Point(tuple(order[:wanted].tolist()))
        name = f"{rule}-seed_{seed}-{fraction.numerator}_{fraction.denominator}.json"
        path = self.folder / "bought" / name
        if not path.is_file():
            before = max(step for step in STEPS if step < fraction)
            point = self._buy(rule, seed, self.point(rule, seed, before), before, wanted)
            with complete_or_absent(path) as temporary:
                temporary.write_text(json.dumps(point.__dict__))
        known = json.loads(path.read_text())
        audits = {int(i): n for i, n in known["audits"].items()}
        return Point(tuple(known["bought"]), audits, known["uncertain"])

    def _buy(self, rule: str, seed: int, before: Point, fraction: Fraction, wanted: int) -> Point:
        """Let the evaluation stage choose, with the committee of the size before."""
        iteration = 1 + STEPS.index(fraction)
        trained = self.trained(before, seed)
        labelled = self.labelled(before, seed)
        left = np.setdiff1d(self.sides(seed)[1], before.bought)
        explored = self.data[left].replace(energy=np.nan, forces=np.nan, stress=np.nan)
        count = wanted - len(before.bought)
        parameters = EvaluationParameters.model_validate(
            {
                "error_thresholds": self.thresholds(seed),
                "selection": {"type": rule, "max_selected": max(count - AUDIT, 0)},
                "audit": {"fraction": 0.0, "minimum": min(AUDIT, count)},
            }
        )
        campaign = CampaignParameters(iteration=iteration)
        calibration = self.calibration(rule, seed, fraction, parameters)
        judged = evaluation.judge(trained.predictions, explored, labelled, calibration, parameters)
        selected = evaluation.select(
            explored,
            judged,
            labelled,
            calibration,
            committee=trained,
            predictions=trained.predictions,
            parameters=parameters,
            campaign=campaign,
            seed=seed,
        )
        chosen = self.data.index_of(selected.id).tolist()
        audits = [i for i, info in zip(chosen, selected.info, strict=True) if info["audit"]]
        rest = np.setdiff1d(left, chosen)
        draw = generator(seed, "label_efficiency", "rest", iteration)
        chosen += draw.choice(rest, size=count - len(chosen), replace=False).tolist()
        logger.warning(
            "%s, seed %d: %d of %d frames uncertain, %d selected, %d bought",
            *(rule, seed, int(judged["uncertain"].sum()), len(judged), len(selected), len(chosen)),
        )
        return Point(
            (*before.bought, *chosen),
            before.audits | dict.fromkeys(audits, iteration + 1),
            float(judged["uncertain"].mean()),
        )

    def calibration(
        self, rule: str, seed: int, fraction: Fraction, parameters: EvaluationParameters
    ) -> dict[str, Any]:
        """Of the committee at ``fraction``, from validation and from the audit that led there."""
        point = self.point(rule, seed, fraction)
        previous, known = Predictions.empty(), {}
        if fraction != START:
            before = STEPS[STEPS.index(fraction) - 1]
            previous = self.trained(self.point(rule, seed, before), seed).predictions
            known = self.calibration(rule, seed, before, parameters)
        return evaluation.calibrate(
            self.trained(point, seed).predictions,
            previous,
            self.labelled(point, seed),
            committee=self.trained(point, seed),
            calibration_previous=known,
            parameters=parameters,
            campaign=CampaignParameters(iteration=1 + STEPS.index(fraction)),
            seed=seed,
        )

    def thresholds(self, seed: int) -> dict[str, float]:
        """ε_thr: the error of the committee of the whole pool on the pool's validation set."""
        everything = self.point("random_control", seed, FULL)
        validation = self.data[np.sort(self.sides(seed)[2])]
        found = self.trained(everything, seed).predictions.select(validation.id)
        measured = property_uncertainties(
            found, validation.energy, validation.forces, validation.stress
        )
        errors = {name: measured[name].member_error for name in PROPERTIES}
        return {
            MILLI[name]: float(1000 * np.sqrt(np.nanmean(errors[name] ** 2))) for name in PROPERTIES
        }


# -------------------------------------------------------------------- the run


def points_of(rules: Sequence[str], between: Iterable[str]) -> list[tuple[str, Fraction]]:
    """All points of the curves, in an order that makes early reports meaningful."""
    points = [("random_control", FULL), ("random_control", START)]
    for step in STEPS[1:]:
        points += [(rule, step) for rule in rules]
    return points + [(rule, size) for rule in between for size in BETWEEN.values()]


def run(
    bench: Bench, seeds: Sequence[int], points: Sequence[tuple[str, Fraction]], processes: int
) -> None:
    """Train what is missing, ``processes`` committees at a time."""

    def one(job: tuple[int, tuple[str, Fraction]]) -> None:
        seed, (rule, fraction) = job
        bench.trained(bench.point(rule, seed, fraction), seed)
        print(f"done: seed {seed}, {rule}, {fraction}", flush=True)

    sizes = list(dict.fromkeys(fraction for _, fraction in points))
    drawn = {START, FULL}  # nobody's choice: these need no other committee
    with ThreadPoolExecutor(processes) as threads:
        for together in (drawn, *({size} for size in sizes if size not in drawn)):
            jobs = [(seed, point) for seed in seeds for point in points if point[1] in together]
            list(threads.map(one, jobs))


def read_pool(paths: Sequence[Path]) -> PESData:
    """Structures of at most 64 atoms that have labels, each once; what is left out is counted."""
    pool = PESData.concatenate([_read(path) for path in paths]).drop_duplicates()
    fits = (pool.n_atoms <= MAX_ATOMS) & pool.has_labels & (pool.n_atoms > 1)
    print(f"{int(fits.sum())} of {len(pool)} structures have labels and 2 to {MAX_ATOMS} atoms")
    return pool[fits].replace(split="unassigned", iteration=0)


def _read(path: Path) -> PESData:
    if path.suffix == ".h5":
        return PESData.read(path)
    import ase.io

    frames = ase.io.read(path, index=":")
    kinds = [str(atoms.info.get("config_type", "")) for atoms in frames]
    # snapshots of one run of mlearn's silicon, and strains of one mode, are one group
    told = [str(atoms.info.get("description", "")) for atoms in frames]
    groups = [re.sub(r"Snapshot \d+ of|, strain .*", "", text) for text in told]
    named = [f"{k}:{g}" if g else "" for k, g in zip(kinds, groups, strict=True)]
    return PESData.from_atoms(frames, group=named, origin=[k or "initial" for k in kinds])


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def _bytes(data: PESData) -> list[bytes]:
    columns = (data.id, data.energy, data.forces, data.stress, data.group.astype(str))
    return [np.ascontiguousarray(column).tobytes() for column in columns]


def command_line(description: str | None) -> argparse.ArgumentParser:
    """What says which bench: the pool, where its cache is, and how committees are trained."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", type=Path, nargs="+", help="files of one pool (.h5, .extxyz)")
    parser.add_argument("--name", help="of the pool in the cache; default: of its first file")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--steps", type=int, default=1000, help="optimiser steps of each member")
    parser.add_argument("--cutoff", type=float, default=MODEL["r_max"], help="of the model, Å")
    parser.add_argument("--members-at-a-time", type=int, default=1, help="of each committee")
    parser.add_argument("--device", default="cpu", help="where members are trained")
    return parser


def bench_of(given: argparse.Namespace) -> Bench:
    """The bench of a command line."""
    data = read_pool(given.pool)
    settings = MODEL | {"r_max": given.cutoff}
    return Bench(
        data,
        given.name or given.pool[0].stem,
        given.cache,
        given.steps,
        settings,
        members_at_a_time=given.members_at_a_time,
        device=given.device,
    )


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--make-carbon", type=Path, metavar="FILE", help="make a pool of carbon")
    parser.add_argument("--rules", nargs="+", default=RULES, metavar="RULE")
    parser.add_argument(
        "--quick", action="store_true", help=f"only {', '.join(QUICK_RULES)}, at 1/8, 1/4, 1/2, all"
    )
    parser.add_argument(
        "--between",
        nargs="*",
        default=["proportional"],
        metavar="RULE",
        help="rules that get points at 1/6 and 1/3, too",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--processes", type=int, default=2, help="committees at a time")
    parser.add_argument("--report-only", action="store_true", help="of what the cache holds")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if given.make_carbon:
        from carbon_pool import make_carbon

        pool = make_carbon(given.make_carbon, given.cache / "make_carbon", given.processes)
        print(pool.summary().to_string(index=False))
        return
    if not given.pool:
        parser.error("--pool FILE, or --make-carbon FILE")
    bench = bench_of(given)
    rules, between = (QUICK_RULES, []) if given.quick else (given.rules, given.between)
    points = points_of(rules, [rule for rule in between if rule in rules])
    if not given.report_only:
        run(bench, given.seeds, points, given.processes)
    write_report(bench, given.seeds, points)


if __name__ == "__main__":
    main()
