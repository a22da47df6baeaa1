"""Which version a run sees, and that nothing is half-written or overwritten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from kedro.io import DatasetError, Version

from potwright.datasets import (
    CommitteeDataset,
    JSONDataset,
    LabelStoreDataset,
    PESDataset,
    PredictionsDataset,
    TableDataset,
    WorkspaceDataset,
)
from potwright.pes import PESData
from potwright.quantum import Label, LabelStore, LevelOfTheory
from potwright.uncertainty import Predictions

OLD, RUN, NEW = (f"2026-0{month}-01T00.00.00.000Z" for month in (1, 2, 3))


def structures(n: int) -> PESData:
    return PESData.from_atoms([bulk("Cu", a=3.5 + 0.1 * i) for i in range(n)])


def predictions() -> Predictions:
    pes, rng = structures(2), np.random.default_rng(0)
    return Predictions(
        id=pes.id,
        offsets=pes.offsets,
        energy=rng.normal(size=(3, 2)),
        forces=rng.normal(size=(3, 2, 3)),
        stress=rng.normal(size=(3, 2, 6)),
    )


def dataset(cls, folder, run=RUN, **arguments):
    """A catalog entry as a run of that version has it."""
    return cls(filepath=str(folder / "data"), version=Version(None, run), **arguments)


# of each type: a value, and what of it must survive a round trip
VALUES = {
    PESDataset: (structures(2), lambda pes: pes.id.tolist()),
    JSONDataset: ({"a": 1, "b": [1.5, None]}, lambda document: document),
    TableDataset: (pd.DataFrame({"a": [1, 2]}), lambda table: table.to_dict()),
    PredictionsDataset: (predictions(), lambda p: (p.id.tolist(), p.forces.tolist())),
}
each_type = pytest.mark.parametrize("cls", VALUES, ids=lambda cls: cls.__name__)


@each_type
def test_what_is_saved_is_loaded_by_the_same_run(cls, tmp_path):
    value, content = VALUES[cls]
    dataset(cls, tmp_path).save(value)
    assert content(dataset(cls, tmp_path).load()) == content(value)
    assert (tmp_path / "data" / RUN / "data").exists()


def test_a_run_sees_the_newest_version_that_is_not_newer_than_itself(tmp_path):
    for version in (OLD, NEW):
        dataset(JSONDataset, tmp_path, version).save({"version": version})
    assert dataset(JSONDataset, tmp_path, RUN).load() == {"version": OLD}
    assert dataset(JSONDataset, tmp_path, NEW).load() == {"version": NEW}


def test_previous_is_strictly_older_than_the_run(tmp_path):
    for version in (OLD, RUN, NEW):
        dataset(JSONDataset, tmp_path, version).save({"version": version})
    assert dataset(JSONDataset, tmp_path, RUN, previous=True).load() == {"version": OLD}
    assert dataset(JSONDataset, tmp_path, NEW, previous=True).load() == {"version": RUN}


def test_who_looks_back_sees_nothing_newer(tmp_path, monkeypatch):
    for version in (OLD, RUN, NEW):
        dataset(JSONDataset, tmp_path, version).save({"version": version})
    monkeypatch.setenv("POTWRIGHT_AS_OF", RUN)
    assert dataset(JSONDataset, tmp_path, NEW).load() == {"version": RUN}
    assert dataset(JSONDataset, tmp_path, NEW, previous=True).load() == {"version": OLD}
    assert dataset(JSONDataset, tmp_path, OLD).load() == {"version": OLD}  # an older run stays


def test_a_pinned_version_is_loaded_whatever_else_there_is(tmp_path):
    for version in (OLD, RUN, NEW):
        dataset(JSONDataset, tmp_path, version).save({"version": version})
    for previous in (False, True):
        pinned = JSONDataset(
            filepath=str(tmp_path / "data"), version=Version(OLD, NEW), previous=previous
        )
        assert pinned.load() == {"version": OLD}


@each_type
def test_without_an_older_version_previous_is_empty(cls, tmp_path):
    value, _ = VALUES[cls]
    dataset(cls, tmp_path).save(value)
    assert not len(dataset(cls, tmp_path, previous=True).load())
    assert not dataset(cls, tmp_path, previous=True).exists()


def test_the_committee_before_the_first_has_no_members(tmp_path):
    assert len(dataset(CommitteeDataset, tmp_path, previous=True).load()) == 0


@each_type
def test_previous_is_read_only(cls, tmp_path):
    with pytest.raises(DatasetError, match="read-only"):
        dataset(cls, tmp_path, previous=True).save(VALUES[cls][0])
    assert not list(tmp_path.rglob("*"))


@each_type
def test_a_version_is_never_replaced(cls, tmp_path):
    value, content = VALUES[cls]
    dataset(cls, tmp_path).save(value)
    with pytest.raises(DatasetError, match="must not exist"):
        dataset(cls, tmp_path).save(value)
    assert content(dataset(cls, tmp_path).load()) == content(value)


def test_a_missing_version_is_an_error_that_names_the_dataset(tmp_path):
    assert not dataset(PESDataset, tmp_path).exists()
    with pytest.raises(DatasetError, match="Did not find any version"):
        dataset(PESDataset, tmp_path).load()


def remains(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def test_a_failed_save_leaves_no_file(tmp_path):
    with pytest.raises(DatasetError, match="not JSON serializable"):
        dataset(JSONDataset, tmp_path).save({"a": object()})
    with pytest.raises(DatasetError):
        dataset(TableDataset, tmp_path).save({"no": "table"})
    broken = structures(1).replace(info=[{"a": object()}])
    with pytest.raises((DatasetError, ValueError)):
        dataset(PESDataset, tmp_path).save(broken)
    assert not remains(tmp_path)
    assert not dataset(JSONDataset, tmp_path).exists()


class TornCommittee:
    """Its disk is full after the first member."""

    def save(self, path):
        from potwright.files import complete_or_absent

        with complete_or_absent(path) as folder:
            folder.mkdir()
            (folder / "member_0.model").write_bytes(b"a model")
            raise OSError("no space left on device")


def test_a_failed_save_leaves_no_folder(tmp_path):
    with pytest.raises(DatasetError, match="no space left"):
        dataset(CommitteeDataset, tmp_path).save(TornCommittee())
    assert not remains(tmp_path)
    assert not dataset(CommitteeDataset, tmp_path).exists()


def test_what_a_killed_save_left_is_not_a_version(tmp_path):
    """A hidden temporary is all that a kill leaves; the save is repeated beside it."""
    folder = tmp_path / "data" / RUN
    folder.mkdir(parents=True)
    (folder / ".data.123.tmp").write_text('{"half')
    assert not dataset(JSONDataset, tmp_path).exists()
    dataset(JSONDataset, tmp_path).save({"whole": True})
    assert dataset(JSONDataset, tmp_path).load() == {"whole": True}


def test_json_has_no_nan_and_knows_numpy(tmp_path):
    entry = dataset(JSONDataset, tmp_path)
    entry.save({"a": np.float64(1.5), "b": np.array([1, 2]), "c": float("nan"), 3: (True,)})
    assert entry.load() == {"a": 1.5, "b": [1, 2], "c": None, "3": [True]}
    assert "NaN" not in (tmp_path / "data" / RUN / "data").read_text()


def test_previews_are_small_and_plain(tmp_path):
    entry = dataset(PESDataset, tmp_path)
    entry.save(structures(30))
    table = entry.preview(nrows=5)
    assert len(table["data"]) == len(table["index"]) == 5
    assert table["columns"][:2] == ["formula", "pbc"]
    assert table["data"][0][:2] == ["Cu", "TTT"]
    json.dumps(table)

    shutil.rmtree(tmp_path / "data")
    entry = dataset(TableDataset, tmp_path)
    entry.save(pd.DataFrame({"a": range(100), "b": [np.nan] * 100}))
    table = entry.preview(nrows=3)
    assert table["columns"] == ["a", "b"]
    assert len(table["data"]) == 3
    json.dumps(table, allow_nan=False)

    shutil.rmtree(tmp_path / "data")
    entry = dataset(JSONDataset, tmp_path)
    entry.save({"a": [1, 2]})
    assert json.loads(entry.preview()) == {"a": [1, 2]}


def test_predictions_are_previewed_with_the_spread_of_their_members(tmp_path):
    given = predictions()
    dataset(PredictionsDataset, tmp_path).save(given)
    table = dataset(PredictionsDataset, tmp_path).preview(nrows=1)
    (row,) = table["data"]
    shown = dict(zip(table["columns"], row, strict=True))
    assert (shown["id"], shown["atoms"], shown["members"]) == (given.id[0], 1, 3)
    assert float(shown["spread (meV/atom)"]) == pytest.approx(
        1000 * given.energy[:, 0].std(), abs=0.06
    )


def test_the_label_store_is_previewed_newest_first_and_not_made_by_that(tmp_path):
    place = tmp_path / "labels.db"
    catalogued = LabelStoreDataset(filepath=str(place), campaign="tiny")
    assert catalogued.preview()["data"] == [] and not place.exists()
    store = LabelStore(place, "tiny")
    level = LevelOfTheory("EMT", "1.0", {})
    for number, atoms in enumerate(structures(3).to_atoms()):
        label = Label(float(number), np.zeros((1, 3)), None, 1.0)
        store.add(f"{number:032x}", atoms, level, label, iteration=2)
    store.close()
    table = catalogued.preview(nrows=2)
    energies = [float(row[table["columns"].index("energy_ev")]) for row in table["data"]]
    assert energies == [2.0, 1.0]


def test_a_workspace_is_made_when_it_is_asked_for_and_never_saved(tmp_path):
    workspace = WorkspaceDataset(filepath=str(tmp_path / "a" / "workspace"))
    assert not workspace.exists()
    assert workspace.load().is_dir()
    assert workspace.exists()
    with pytest.raises(DatasetError, match="cannot be an output"):
        workspace.save("anything")
