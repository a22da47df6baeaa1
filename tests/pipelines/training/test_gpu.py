"""Members on a GPU; what they learn there does not depend on the place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.training.members import train_members
from potwright.pipelines.training.parameters import TrainingParameters

BACKENDS = ("mace", "soap_bpnn", "pet")


@pytest.mark.parametrize("backend", BACKENDS)
def test_members_share_a_gpu_and_learn_the_same_as_on_the_processor(
    gpu: str,
    backend: str,
    labelled: PESData,
    of_backend: Callable[..., TrainingParameters],
    tmp_path: Path,
) -> None:
    found = []
    for device in ("cpu", gpu, "auto"):
        parameters = of_backend(backend, members=2, steps=6).model_copy(
            update={"device": device, "executor": LocalExecutor(workers=2)}
        )
        workspace = tmp_path / device
        committee = train_members(labelled, workspace, parameters, 7, 1)
        assert len(committee) == 2
        told = [*workspace.rglob("command.txt"), *workspace.rglob("options.yaml")]
        told_device = "cpu" if device == "cpu" else "cuda"
        assert told and all(told_device in path.read_text() for path in told)
        found.append(committee.predict(labelled[:3], device="cpu"))
    for other in found[1:]:
        np.testing.assert_allclose(other.energy, found[0].energy, atol=1e-4)
        np.testing.assert_allclose(other.forces, found[0].forces, atol=1e-3)
