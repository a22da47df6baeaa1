"""What a killed ``mace_run_train`` leaves, and how the next one goes on from it.

MACE keeps one checkpoint: the best validated model. With ``--restart_latest`` it goes on from there
and repeats that checkpoint's epoch.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from potwright.files import complete_or_absent

RESUMED = "resumed.json"


def prepare(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from; logs then end where it was made."""
    last = last_epoch(folder)
    logs = list((folder / "results").glob("*_train.txt"))
    if last is None:
        for log in logs:
            log.unlink()
        return False
    for log in logs:
        kept = [line for line in log.read_text().splitlines() if _is_before(line, last)]
        with complete_or_absent(log) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept))
    noted = folder / RESUMED
    with complete_or_absent(noted) as temporary:
        temporary.write_text(json.dumps([*resumed_after(folder), last]))
    return True


def last_epoch(folder: Path) -> int | None:
    """Epoch of the newest checkpoint that is whole; others are removed."""
    epochs = []
    for path in (folder / "checkpoints").glob("*.pt"):
        epoch = re.search(r"_epoch-(\d+)(_swa)?\.pt$", path.name)
        if epoch is None:
            continue
        if zipfile.is_zipfile(path):
            epochs.append(int(epoch[1]))
        else:  # it was being written
            path.unlink()
    return max(epochs, default=None)


def resumed_after(folder: Path) -> list[int]:
    """The epochs after which this run was gone on with."""
    noted = folder / RESUMED
    return list(json.loads(noted.read_text())) if noted.is_file() else []


def _is_before(line: str, epoch: int) -> bool:
    """Whether a line of the log is whole, and of an epoch that will not be run again."""
    try:
        its = json.loads(line)["epoch"]
    except (ValueError, KeyError):
        return False
    return its is None or its < epoch
