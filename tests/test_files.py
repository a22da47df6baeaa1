from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from potwright.files import complete_or_absent


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    with complete_or_absent(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert target.read_text() == "half"
    assert names(target.parent) == ["file.txt"]


def test_a_folder_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with complete_or_absent(target) as temporary:
        temporary.mkdir()
        (temporary / "inside").write_text("content")
        assert not target.exists()
    assert (target / "inside").read_text() == "content"
    assert names(tmp_path) == ["folder"]


def test_what_is_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with complete_or_absent(tmp_path / "file") as temporary:
            temporary.write_text(content)
        with complete_or_absent(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / content).touch()
    assert (tmp_path / "file").read_text() == "new"
    assert names(tmp_path / "folder") == ["new"]
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_what_was_there(
    tmp_path: Path, folder: bool, error: type[BaseException]
) -> None:
    target = tmp_path / "target"
    target.write_text("before")
    with pytest.raises(error), complete_or_absent(target) as temporary:
        if folder:
            temporary.mkdir()
            (temporary / "inside").touch()
        else:
            temporary.write_text("half")
        raise error
    assert target.read_text() == "before"
    assert names(tmp_path) == ["target"]


def test_a_failure_before_anything_is_written_is_the_only_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing"), complete_or_absent(tmp_path / "target"):
        raise ValueError("nothing")
    assert names(tmp_path) == []


def test_a_process_that_is_killed_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    program = f"""
import os, signal
from potwright.files import complete_or_absent
with complete_or_absent({str(tmp_path / "target")!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    (left,) = names(tmp_path)
    assert left.startswith(".target.") and left.endswith(".tmp")
    with complete_or_absent(tmp_path / "target") as temporary:
        temporary.write_text("complete")
    assert (tmp_path / "target").read_text() == "complete"
