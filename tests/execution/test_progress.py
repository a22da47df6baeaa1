from __future__ import annotations

import io
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress

from potwright.execution import progress
from potwright.execution.progress import progress_bar


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


def test_nothing_is_shown_where_nobody_looks(capsys):
    class Untouched:
        total, unit = 1, "steps"

        def done(self) -> int:
            raise AssertionError("nobody should ask")

    with progress_bar("Molecular dynamics", 3, Untouched()) as advance:
        advance()
    assert capsys.readouterr() == ("", "")
