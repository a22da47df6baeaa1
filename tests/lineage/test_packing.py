"""Inputs are packed as they are now, and what has changed since they were read is said."""

from __future__ import annotations

from types import SimpleNamespace

from potwright.files import sha256
from potwright.lineage.packing import _copy_inputs


def holdings(project, *inputs):
    iterations = [SimpleNamespace(record={"inputs": files}) for files in inputs]
    return SimpleNamespace(campaign=SimpleNamespace(project=project), iterations=iterations)


def test_changed_and_lost_inputs_are_noted(tmp_path):
    project, folder = tmp_path / "project", tmp_path / "export"
    raw = project / "data" / "01_raw"
    raw.mkdir(parents=True)
    for name in ("same.xyz", "changed.xyz", "lost.xyz"):
        (raw / name).write_text(name)
    recorded = {f"data/01_raw/{path.name}": sha256(path) for path in raw.iterdir()}
    (raw / "changed.xyz").write_text("something else")
    (raw / "lost.xyz").unlink()
    (raw / "never_read.xyz").write_text("nobody asked for it")
    given = holdings(project, {"initial_structures": recorded}, {"initial_labels": {}})
    assert sorted(_copy_inputs(given, folder)) == [
        "the input data/01_raw/changed.xyz has changed since it was read",
        "the input data/01_raw/lost.xyz is no longer there",
    ]
    assert sorted(p.name for p in folder.rglob("*.xyz")) == ["changed.xyz", "same.xyz"]


def test_records_that_name_no_inputs_are_said_to(tmp_path):
    (remark,) = _copy_inputs(holdings(tmp_path, {}), tmp_path / "export")
    assert "do not name the input files" in remark
