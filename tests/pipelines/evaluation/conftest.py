"""A committee whose errors are known by construction, for structures that carry their scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from potwright.pes import PESData
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.uncertainty import Predictions

# what a scale of 1 means: eV/atom, eV/Å, eV/Å³
ENERGY, FORCES, STRESS = 0.010, 0.100, 0.001


@dataclass(frozen=True)
class ScaledCommittee:
    """Member j predicts 0 + s (k z + η_j); s is a structure's ``info["scale"]``.

    Parameters
    ----------
    shared
        k, the size of the error that all members have in common.
    seed
        Two committees of one seed are the same.
    """

    shared: float = 1.0
    members: int = 4
    seed: int = 0
    asked: list[int] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    def predict_stored(
        self, workspace: Path, structures: list[PESData], *_: Any, **__: Any
    ) -> Predictions:
        return self.predict(PESData.concatenate(structures).drop_duplicates())

    def predict(self, pes: PESData, executor: Any = None) -> Predictions:
        if not len(pes):
            return Predictions.empty(self.members)
        self.asked.append(len(pes))
        parts = [self._one(pes, i) for i in range(len(pes))]
        return Predictions(
            id=pes.id,
            offsets=pes.offsets,
            energy=np.stack([part[0] for part in parts], axis=1),
            forces=np.concatenate([part[1] for part in parts], axis=1),
            stress=np.stack([part[2] for part in parts], axis=1),
        )

    def descriptors(self, pes: PESData, executor: Any = None, device: str = "auto") -> np.ndarray:
        """Distances of each atom to its four nearest, without periodicity: invariant, and cheap."""
        parts = [
            np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, 1:5]
            for x in np.split(pes.positions, pes.offsets[1:-1])
        ]
        return np.concatenate(parts)

    def _one(self, pes: PESData, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, int(pes.id[i][:8], 16)])
        n, scale = int(pes.n_atoms[i]), float(pes.info[i].get("scale", 1.0))

        def draw(*shape: int) -> np.ndarray:
            shared = self.shared * rng.normal(size=shape)
            return scale * (shared + rng.normal(size=(self.members, *shape)))

        stress = STRESS * draw(6) if pes.pbc[i].any() else np.full((self.members, 6), np.nan)
        return ENERGY * n * draw(), FORCES * draw(n, 3), stress


def make_structures(
    count: int, *, seed: int = 0, scale: Any = None, labelled: bool = True, **columns: Any
) -> PESData:
    """Rattled copper cells of 8 to 16 atoms; labels are zero, the scale is in info."""
    rng = np.random.default_rng(seed)
    scales = np.broadcast_to(
        np.exp(0.8 * rng.normal(size=count)) if scale is None else scale, count
    )
    atoms = []
    for i in range(count):
        cell = bulk("Cu", cubic=True) * (2 + int(rng.integers(3)), 1, 1)
        cell.positions += 0.05 * rng.normal(size=cell.positions.shape)
        cell.info["scale"] = float(scales[i])
        atoms.append(cell)
    if not atoms:
        return PESData.empty()
    pes = PESData.from_atoms(atoms, **columns)
    return pes.replace(energy=0.0, forces=0.0, stress=0.0) if labelled else pes


@pytest.fixture
def structures() -> Any:
    return make_structures


@pytest.fixture
def committee() -> ScaledCommittee:
    return ScaledCommittee()


@pytest.fixture
def committee_type() -> type[ScaledCommittee]:
    return ScaledCommittee


@pytest.fixture
def labelled() -> PESData:
    """120 structures, a quarter of them for validation, each its own group."""
    splits = np.array(["training", "training", "validation", "test"])[np.arange(120) % 4]
    return make_structures(120, seed=1, split=splits, iteration=1, origin="rattle")


@pytest.fixture
def explored() -> PESData:
    return make_structures(100, seed=2, labelled=False, origin="md", iteration=1)


@pytest.fixture
def parameters() -> Any:
    """Evaluation parameters, with blocks replaced by name."""

    def make(**blocks: Any) -> EvaluationParameters:
        defaults: dict[str, Any] = {
            "error_thresholds": {
                "energy_mev_per_atom": 10.0,
                "forces_mev_per_angstrom": 150.0,
                "stress_mev_per_angstrom3": 1.5,
            },
            "calibration": {"bootstrap_samples": 200},
        }
        return EvaluationParameters.model_validate(defaults | blocks)

    return make
