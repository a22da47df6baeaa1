"""The comparison of benchmarks/label_efficiency.py with linear potentials: many seeds in minutes.

Selection rules differ by little, and networks take hours to say by how much. Here everything is the
same (held-out groups, sizes, audit, thresholds, stage functions) but the potential: committees of
three ridge regressions on moments of the neighbour density, each on random 70 % of the features,
with random weights of the structures. To find out which rules are worth the time of networks; what
networks say of them may be something else.

Run: python benchmarks/label_efficiency_screening.py --pool FILE … [--seeds N] [--rules RULE …]
"""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from label_efficiency import RULES, Bench, Point, command_line, points_of, read_pool
from label_efficiency_report import write_report
from linear_potential import Design, design

from potwright.execution import LocalExecutor, run_tasks
from potwright.pes import PESData
from potwright.randomness import generator
from potwright.uncertainty import Predictions

MEMBERS = 3
KEPT_FEATURES = 0.7
WEIGHTS = {"energy": 1000.0, "forces": 100.0, "stress": 10_000.0}
RIDGE = 1e-5


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the evaluation stage asks of a committee, and what it predicts for all data."""

    predictions: Predictions
    bench: LinearBench
    record: dict[str, Any]

    def descriptors(self, pes: PESData, executor: Any = None, device: str = "cpu") -> np.ndarray:
        """The features of pairs of moments of each atom."""
        rows = self.bench.data.index_of(pes.id)
        return np.concatenate([self.bench.designs[i].atoms for i in rows]).astype(float)


class LinearBench(Bench):
    """A bench that fits instead of training."""

    def __init__(self, data: PESData, name: str, cache: Path, cutoff: float, processes: int):
        super().__init__(data, f"{name}-linear", cache, steps=1, settings={"cutoff": cutoff})
        self.cutoff, self.processes = cutoff, processes
        self._memory: dict[tuple[int, tuple[int, ...]], Fitted] = {}

    @cached_property
    def designs(self) -> list[Design]:
        """Of all structures, computed once."""
        path = self.folder / f"designs-{self.cutoff}.pickle"
        if not path.is_file():
            tasks = [(atoms, self.cutoff) for atoms in self.data.to_atoms(engine_pbc=True)]
            found: dict[int, Design] = {}
            executor = LocalExecutor(workers=self.processes)
            for outcome in run_tasks(_design, tasks, executor, description="features"):
                assert outcome.error is None, outcome.error
                found[outcome.index] = outcome.value  # type: ignore[assignment]
            path.write_bytes(pickle.dumps([found[i] for i in range(len(tasks))]))
        return pickle.loads(path.read_bytes())

    @cached_property
    def _scale(self) -> np.ndarray:
        rms = np.sqrt(np.mean([np.mean(d.forces**2, axis=(0, 1)) for d in self.designs], axis=0))
        return 1 / np.maximum(rms, 1e-12)

    @cached_property
    def _normal(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each structure: the matrix XᵀX and the vector Xᵀy, with a constant as last feature."""
        matrices, vectors = [], []
        for i, rows in enumerate(self.designs):
            atoms = slice(self.data.offsets[i], self.data.offsets[i + 1])
            n = int(self.data.n_atoms[i])
            parts = [
                (
                    np.append(rows.energy * self._scale, 1.0)[None],
                    self.data.energy[i : i + 1] / n,
                    1,
                ),
                (self._padded(rows.forces), self.data.forces[atoms].ravel(), 3 * n),
                (self._padded(rows.stress), self.data.stress[i], 6),
            ]
            xx, xy = 0.0, 0.0
            for (x, y, count), weight in zip(parts, WEIGHTS.values(), strict=True):
                if np.isfinite(y).all():
                    xx = xx + weight / count * x.T @ x
                    xy = xy + weight / count * x.T @ y
            matrices.append(np.asarray(xx, dtype=np.float32))
            vectors.append(xy)
        return np.array(matrices), np.array(vectors)

    def _padded(self, rows: np.ndarray) -> np.ndarray:
        flat = rows.reshape(-1, rows.shape[-1]) * self._scale
        return np.column_stack([flat, np.zeros(len(flat))])

    def trained(self, point: Point, seed: int) -> Any:
        """The committee fitted to these labels."""
        key = (seed, tuple(sorted(point.bought)))
        if key not in self._memory:
            train = np.setdiff1d(point.bought, self.sides(seed)[2])
            coefficients = [self._fit(train, seed, member) for member in range(MEMBERS)]
            self._memory[key] = Fitted(self._predict(np.array(coefficients)), self, {})
        return self._memory[key]

    def known(self, rule: str, seed: int, fraction: Fraction) -> Any:
        """Everything is known at once."""
        return self.trained(self.point(rule, seed, fraction), seed)

    def _fit(self, train: np.ndarray, seed: int, member: int) -> np.ndarray:
        draw = generator(seed, "screening", member)
        weights = draw.exponential(size=len(self.data))[train]
        matrices, vectors = self._normal
        features = len(vectors[0])
        kept = np.append(draw.random(features - 1) < KEPT_FEATURES, True)
        xx = np.tensordot(weights, matrices[train].astype(float), axes=1)[np.ix_(kept, kept)]
        xy = (weights @ vectors[train])[kept]
        ridge = RIDGE * np.trace(xx[:-1, :-1]) / len(xx)
        xx[np.arange(len(xx) - 1), np.arange(len(xx) - 1)] += ridge
        found = np.zeros(features)
        found[kept] = np.linalg.solve(xx, xy)
        return found

    def _predict(self, coefficients: np.ndarray) -> Predictions:
        w, constant = coefficients[:, :-1] * self._scale, coefficients[:, -1]
        energy = np.array([[d.energy @ v for d in self.designs] for v in w]) + constant[:, None]
        return Predictions(
            id=self.data.id,
            offsets=self.data.offsets,
            energy=energy * self.data.n_atoms,
            forces=np.concatenate([d.forces @ w.T for d in self.designs]).transpose(2, 0, 1),
            stress=np.array([d.stress @ w.T for d in self.designs]).transpose(2, 0, 1),
        )


def _design(task: tuple[Any, float]) -> Design:
    return design(*task)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--rules", nargs="+", default=RULES)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    name = given.name or given.pool[0].stem
    bench = LinearBench(read_pool(given.pool), name, given.cache, given.cutoff, given.processes)
    seeds = list(range(1, given.seeds + 1))
    between = [rule for rule in given.rules if rule == "proportional"]
    write_report(bench, seeds, points_of(given.rules, between))


if __name__ == "__main__":
    main()
