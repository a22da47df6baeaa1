"""A member that is killed in the middle goes on from its checkpoint."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.training.mace import checkpoints
from potwright.pipelines.training.members import train_members
from potwright.pipelines.training.metatrain.run import newest_checkpoint
from potwright.pipelines.training.parameters import TrainingParameters


class Killer(threading.Thread):
    """Kills the process that trains a member, as soon as that has a checkpoint."""

    def __init__(self, workspace: Path, member: int):
        super().__init__(daemon=True)
        self.unfinished = f".member_{member}-*.unfinished"
        self.workspace = workspace
        self.killed = 0

    def run(self) -> None:
        end = time.monotonic() + 500
        while not self.killed and time.monotonic() < end:
            time.sleep(0.02)
            for folder in self.workspace.glob(self.unfinished):
                if self._has_checkpoint(folder):
                    self._kill_in(folder)

    def _has_checkpoint(self, folder: Path) -> bool:
        found = [*folder.glob("checkpoints/*.pt"), *folder.glob("checkpoints/model_*.ckpt")]
        later = [path for path in found if int(re.findall(r"\d+", path.stem)[-1]) > 0]
        return any(zipfile.is_zipfile(path) for path in later)  # else it is being written

    def _kill_in(self, folder: Path) -> None:
        """A trainer works in its member's folder."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                works_in = (process / "cwd").readlink()
            except OSError:
                continue
            if works_in == folder and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)
                self.killed = int(process.name)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", ["mace", "soap_bpnn"])
def test_a_killed_member_goes_on_from_its_checkpoint_and_others_are_not_trained_again(
    backend: str,
    labelled: PESData,
    of_backend: Callable[..., TrainingParameters],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    parameters = of_backend(backend, members=2, steps=45)
    parameters = parameters.model_copy(update={"executor": LocalExecutor(workers=1)})
    killer = Killer(tmp_path, member=1)
    killer.start()
    committee = train_members(labelled, tmp_path, parameters, 7, 1)
    killer.join()
    assert killer.killed
    assert "A worker was lost with task 1" in caplog.text
    first, second = committee.record["training"]
    assert first["resumed_after"] == [] and len(second["resumed_after"]) == 1
    assert second["resumed_after"][0] >= 1
    for member in (first, second):
        assert (member["epochs"], member["optimiser_steps"]) == (15, 45)
        assert [p["epoch"] for p in member["learning_curve"]] == list(range(15))
    assert not list(tmp_path.glob(".*.unfinished"))


def test_a_checkpoint_that_was_being_written_is_no_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("member_run-1_epoch-4.pt", "model_4.ckpt", "model_10.ckpt"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("data.pkl", "x")
    (folder / "member_run-1_epoch-7.pt").write_bytes(b"PK\x03\x04 cut off")
    (folder / "model_15.ckpt").write_bytes(b"PK\x03\x04 cut off")
    assert checkpoints.last_epoch(tmp_path) == 4
    assert newest_checkpoint(folder) == folder / "model_10.ckpt"  # by number, not by name
    left = {path.name for path in folder.iterdir()}
    assert left == {"member_run-1_epoch-4.pt", "model_4.ckpt", "model_10.ckpt"}


def test_the_log_ends_where_the_checkpoint_was_made(tmp_path: Path) -> None:
    """So that no step is counted twice."""
    for name in ("checkpoints", "results"):
        (tmp_path / name).mkdir()
    with zipfile.ZipFile(tmp_path / "checkpoints/member_run-1_epoch-1.pt", "w") as archive:
        archive.writestr("data.pkl", "x")
    log = tmp_path / "results/member_run-1_train.txt"
    lines = [{"mode": "eval", "epoch": None}]
    lines += [{"mode": mode, "epoch": epoch} for epoch in range(3) for mode in ("opt", "eval")]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"mode": "opt", "ep')
    assert checkpoints.prepare(tmp_path)
    kept = [json.loads(line)["epoch"] for line in log.read_text().splitlines()]
    assert kept == [None, 0, 0]
    assert checkpoints.resumed_after(tmp_path) == [1]
    (tmp_path / "checkpoints/member_run-1_epoch-1.pt").unlink()
    assert not checkpoints.prepare(tmp_path)
    assert not log.exists()  # nothing to go on from: it begins anew
