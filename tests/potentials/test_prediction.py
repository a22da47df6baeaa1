"""Predictions on disk: what is there is not computed again, and memory does not grow."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potwright.pes import PESData
from potwright.potentials import Committee, backends, load_committee, prediction
from potwright.potentials.batching import BatchedEvaluator

pytestmark = pytest.mark.slow


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many structures the members have really evaluated, call by call."""
    counts: list[int] = []
    original = BatchedEvaluator.__call__

    def counting(self: BatchedEvaluator, structures: Any) -> Any:
        counts.append(len(structures))
        return original(self, structures)

    monkeypatch.setattr(BatchedEvaluator, "__call__", counting)
    return counts


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "ATOMS_PER_PIECE", 20)


@pytest.fixture
def pes(mixture: list) -> PESData:
    """30 structures of all kinds of periodicity."""
    copies = [atoms.copy() for _ in range(5) for atoms in mixture]
    for seed, atoms in enumerate(copies):
        atoms.positions += np.random.default_rng(seed).normal(scale=0.02, size=(len(atoms), 3))
        atoms.positions[0] += seed * 1e-3  # single atoms differ, too
    return PESData.from_atoms(copies)


def assert_same(one: Any, other: Any) -> None:
    assert one.id.tolist() == other.id.tolist()
    for name in ("offsets", "energy", "forces", "stress"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)


@pytest.mark.usefixtures("small_pieces")
def test_on_disk_is_what_is_predicted_in_memory(
    committee: Committee, pes: PESData, tmp_path: Path
) -> None:
    pes.write(tmp_path / "pes.h5")
    lazily = PESData.read(tmp_path / "pes.h5")
    found = committee.predict_stored(tmp_path / "work", [pes[:7], lazily])
    assert_same(found, committee.predict(pes))


@pytest.mark.usefixtures("small_pieces")
def test_only_what_is_new_is_evaluated(
    committee: Committee, pes: PESData, tmp_path: Path, evaluated: list[int]
) -> None:
    committee.predict_stored(tmp_path, [pes[:20]])
    assert sum(evaluated) == 20
    again = committee.predict_stored(tmp_path, [pes[:20]])
    assert sum(evaluated) == 20
    more = committee.predict_stored(tmp_path, [pes[19:21], pes[:20], pes[20:]])
    assert sum(evaluated) == 30
    order = [19, 20, *range(19), *range(21, 30)]
    assert more.id.tolist() == pes.id[order].tolist()
    assert_same(more, committee.predict(pes[np.array(order)]))
    assert_same(again, committee.predict(pes[:20]))


def test_other_members_are_asked_anew(
    committee: Committee, pes: PESData, tmp_path: Path, evaluated: list[int]
) -> None:
    committee.save(tmp_path / "copy")
    committee.predict_stored(tmp_path / "work", [pes])
    load_committee(tmp_path / "copy").predict_stored(tmp_path / "work", [pes])
    assert sum(evaluated) == 30  # the same content, elsewhere
    exchanged = dataclasses.replace(committee, members=committee.members[::-1])
    found = exchanged.predict_stored(tmp_path / "work", [pes])
    assert sum(evaluated) == 60
    np.testing.assert_allclose(found.energy[0], committee.predict(pes).energy[1], atol=1e-9)
    assert len([p for p in (tmp_path / "work").iterdir() if p.is_dir()]) == 1


KILLED = """
import sys, time
from pathlib import Path
from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.potentials import load_committee, prediction
prediction.ATOMS_PER_PIECE = 20
write = prediction.Predictions.write
def slowly(self, path):
    write(self, path)
    time.sleep(0.3)
prediction.Predictions.write = slowly
folder = Path(sys.argv[1])
load_committee(folder / "committee").predict_stored(
    folder / "work", [PESData.read(folder / "pes.h5")], LocalExecutor(workers=1)
)
"""


@pytest.mark.usefixtures("small_pieces")
def test_a_killed_evaluation_goes_on_where_it_was(
    committee: Committee, pes: PESData, tmp_path: Path, evaluated: list[int]
) -> None:
    committee.save(tmp_path / "committee")
    pes.write(tmp_path / "pes.h5")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    deadline = time.monotonic() + 100
    while len(list((tmp_path / "work").glob("*/part-*.h5"))) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shutil.copytree(tmp_path / "work", tmp_path / "seen")
    known = sum(
        len(prediction.Predictions.read(path)) for path in (tmp_path / "seen").glob("*/part-*.h5")
    )
    assert 0 < known < 30
    found = load_committee(tmp_path / "committee").predict_stored(tmp_path / "work", [pes])
    assert sum(evaluated) == 30 - known
    assert_same(found, committee.predict(pes))
    assert [p.name for p in (tmp_path / "work").glob("*/*")] == ["predictions.h5"]


def test_the_neighbour_list_of_a_structure_is_made_once_for_all_members(
    committee: Committee, pes: PESData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mace.data import neighborhood

    calls = []
    original = neighborhood.get_neighborhood

    def counting(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(neighborhood, "get_neighborhood", counting)
    committee.predict(pes)
    assert len(committee) == 2 and len(calls) == len(pes)


def test_the_budget_of_a_batch_can_be_set(
    committee: Committee, pes: PESData, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    models = backends.mace.MACEModels
    original = models.build

    def counting(self: Any, structures: Any) -> Any:
        sizes.append(sum(map(len, structures)))
        return original(self, structures)

    monkeypatch.setattr(models, "build", counting)
    whole = committee.predict(pes)
    assert max(sizes) > 20
    sizes.clear()
    assert_same(committee.predict(pes, atoms_per_batch=12), whole)
    assert max(sizes) <= 12
