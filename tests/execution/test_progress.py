from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, field

import pytest
from rich.console import Console
from rich.progress import Progress

from potwright.execution import progress
from potwright.execution.progress import keep_progress, progress_bar


@dataclass
class Counter:
    """Something that goes on by itself, 200 a second; an earlier run has done 100."""

    total: int = 400
    unit: str = "steps"
    began: float = field(default_factory=time.perf_counter)

    def done(self) -> int:
        return min(100 + int(200 * (time.perf_counter() - self.began)), self.total)


def test_a_gauge_shows_rate_and_time_left_between_the_ends_of_tasks(monkeypatch):
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.05)
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    gauge = Counter()
    with (
        Progress(*progress._columns(gauge), console=console) as bars,
        progress._watched(bars, "Molecular dynamics", 20, gauge) as advance,
    ):
        time.sleep(0.6)  # no task ends
        (bar,) = bars.tasks
        assert 150 < bar.completed < 400 and bar.total == 400
        assert 100 < bar.speed < 300
        assert 0.5 < bar.time_remaining + 0.5 < 3
        advance()
        assert bar.description == "Molecular dynamics 1/20"
        bars.refresh()
    shown = console.file.getvalue()
    assert "steps/s" in shown and "left:" in shown


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "progress.json"
    keep_progress(path, run="v1")
    yield path
    keep_progress(None)


def test_who_looks_from_elsewhere_finds_it_in_a_file(kept, monkeypatch):
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.05)
    with progress_bar("Molecular dynamics", 2, Counter()) as advance:
        first = json.loads(kept.read_text())
        assert (first["run"], first["unit"], first["total"]) == ("v1", "steps", 400)
        assert 100 <= first["done_at_first"] <= first["done"] < 150
        time.sleep(0.4)  # no task ends
        advance()
        time.sleep(0.1)
        later = json.loads(kept.read_text())
        assert later["done"] > first["done"] and later["tasks_done"] == 1
        assert 100 < (later["done"] - first["done"]) / (later["updated"] - first["updated"]) < 300
    assert not kept.exists()


def test_tasks_without_a_gauge_are_counted(kept, monkeypatch):
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.0)
    with progress_bar("Labels", 3) as advance:
        advance()
        advance()
        now = json.loads(kept.read_text())
    assert (now["unit"], now["done"], now["total"], now["tasks_done"]) == ("tasks", 2, 3, 2)


def test_the_file_goes_with_the_work_that_failed(kept):
    with pytest.raises(RuntimeError), progress_bar("Labels", 3):
        assert kept.exists()
        raise RuntimeError
    assert not kept.exists()


def test_nothing_is_shown_where_nobody_looks(capsys):
    class Untouched:
        total, unit = 1, "steps"

        def done(self) -> int:
            raise AssertionError("nobody should ask")

    with progress_bar("Molecular dynamics", 3, Untouched()) as advance:
        advance()
    assert capsys.readouterr() == ("", "")
