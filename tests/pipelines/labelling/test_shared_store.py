"""Two campaigns at once on one store: nothing is lost, and nothing is done twice that was done."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from ase.build import bulk

from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.quantum import Label, LabelStore, calculations

COUNT = 40

SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from potwright.pes import PESData
from potwright.pipelines.labelling import nodes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import LabelStore
parameters = LabellingParameters.model_validate_json({parameters!r})
store = LabelStore({store!r}, campaign=sys.argv[1])
outcomes = nodes.compute_labels(PESData.read({data!r}), store, parameters)
assert len(outcomes.labels) == {count}, len(outcomes.labels)
print(len(outcomes.computed))
"""


@pytest.fixture
def structures():
    random = np.random.default_rng(5)
    copies = []
    for _ in range(COUNT):
        copy = bulk("Cu", cubic=True)
        copy.positions += random.normal(0, 0.05, copy.positions.shape)
        copies.append(copy)
    return PESData.from_atoms(copies, iteration=1)


def test_two_processes_share_the_work(tmp_path, counted, structures):
    parameters, calls = counted
    slow = parameters(pause=0.15).model_copy(update={"executor": LocalExecutor(workers=1)})
    structures.write(tmp_path / "structures.h5")
    script = textwrap.dedent(SCRIPT).format(
        folder=str(tmp_path),
        parameters=slow.model_dump_json(),
        data=str(tmp_path / "structures.h5"),
        store=str(tmp_path / "labels.db"),
        count=COUNT,
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "other")
    ]
    ended = [process.communicate() for process in processes]
    assert [p.returncode for p in processes] == [0, 0], ended
    assert "locked" not in "".join(error for _, error in ended)
    computed = [int(output) for output, _ in ended]
    store = LabelStore(tmp_path / "labels.db")
    found = store.look(structures.id.tolist(), slow.engine.level_of_theory())
    assert len(found) == COUNT
    assert len(store) == len(calls()) == sum(computed)
    # each may have had two in flight when the other one finished them
    assert sum(computed) <= COUNT + 8
    assert min(computed) > COUNT // 5 or max(computed) == COUNT  # or one began too late


def test_what_another_process_finished_in_the_meantime_is_not_computed(
    tmp_path, counted, structures, monkeypatch
):
    """It is there when the first structures are handed out, though not when the stage began."""
    parameters, calls = counted
    store = LabelStore(tmp_path / "labels.db", campaign="mine")
    settings = parameters()
    level = settings.engine.level_of_theory()
    atoms = structures.to_atoms()
    begin = calculations._report_beginning

    def meanwhile(*told):
        begin(*told)
        other = LabelStore(store.url, campaign="other")
        for i in range(10, COUNT):
            label = Label(float(i), np.zeros((4, 3)), None, 1.0)
            other.add(str(structures.id[i]), atoms[i], level, label)
        other.close()

    monkeypatch.setattr(calculations, "_report_beginning", meanwhile)
    outcomes = calculations.label_structures(
        structures, store, settings.engine, settings.executor, retry=()
    )
    assert len(calls()) == 10
    assert outcomes.computed == set(structures.id[:10].tolist())
    assert [outcomes.labels[id].energy for id in structures.id[10:]] == list(range(10, COUNT))


def test_each_campaign_has_an_order_of_its_own_and_large_structures_come_first(structures):
    large = PESData.from_atoms([bulk("Cu", cubic=True) * (2, 2, n) for n in (2, 3)])
    everything = PESData.concatenate([structures, large])
    orders = [calculations._in_order(everything, (), name).id.tolist() for name in "abb"]
    assert orders[0] != orders[1] == orders[2]
    for order in orders:
        assert order[:2] == large.id.tolist()[::-1]
        assert set(order) == set(everything.id.tolist())
