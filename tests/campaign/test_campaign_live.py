"""What runs now, how far it is and how long it takes still, from records alone."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from potwright.campaign import Campaign, Iteration, live
from potwright.pipeline_registry import STAGES

NOW = 1_800_000_000.0
STAMP = "2027-01-15T08:00:00+00:00"  # NOW


def all_nodes(*stages: str) -> list[str]:
    return [node.name for stage in stages for node in STAGES[stage].create_pipeline().nodes]


def ran(seconds: float, *stages: str) -> dict:
    return {
        node: {"stage": stage, "seconds": seconds} for stage in stages for node in all_nodes(stage)
    }


@dataclass
class Recorded:
    """A campaign that consists of run records."""

    runs: Path
    records: list[dict]
    at_work: bool = True
    target: int = 3
    name: str = "tiny"
    document: dict = field(default_factory=dict)

    def iterations(self) -> list[Iteration]:
        return [
            Iteration(number, f"v{number}", record["status"], record)
            for number, record in enumerate(self.records, start=1)
        ]

    def is_at_work(self) -> bool:
        return self.at_work

    def progress(self, **kept) -> None:
        (self.runs.parent / "progress.json").write_text(json.dumps(kept))


@pytest.fixture
def exploring(tmp_path) -> Recorded:
    """The second iteration is in its molecular dynamics; in the first each node took 2 s."""
    first = {"status": "completed", "nodes": ran(2.0, *STAGES)}
    nodes = ran(1.0, "labelling", "training") | {
        "choose_starts": {"stage": "exploration", "seconds": 1.0}
    }
    second = {
        "status": "running",
        "nodes": nodes,
        "running": "run_dynamics",
        "running_since": STAMP,
    }
    (tmp_path / "runs").mkdir()
    return Recorded(tmp_path / "runs", [first, second])


def test_stages_are_done_running_and_waiting(exploring):
    present = live.look(exploring, NOW + 10)
    assert {stage.name: stage.state for stage in present.stages} == {
        "labelling": "done",
        "training": "done",
        "exploration": "running",
        "evaluation": "waiting",
    }
    assert (present.status, present.node, present.seconds) == ("running", "run_dynamics", 10)
    exploration = present.stages[2]
    assert exploration.seconds == 1 + 10
    assert exploration.before == 2 * len(all_nodes("exploration"))


def test_a_stage_whose_report_has_yet_to_be_written_is_begun(exploring):
    del exploring.records[1]["nodes"]["training_report"]
    states = {stage.name: stage.state for stage in live.look(exploring, NOW).stages}
    assert (states["training"], states["exploration"]) == ("begun", "running")


def test_time_left_is_that_of_the_rate_and_of_what_is_to_come(exploring):
    """100 of 400 steps were there, 200 more took 20 s: 100 take 10 s, 4 s of them have gone."""
    exploring.progress(
        run="v2",
        description="Molecular dynamics",
        unit="steps",
        done=300,
        total=400,
        done_at_first=100,
        tasks_done=2,
        tasks=4,
        began=NOW + 10,
        updated=NOW + 30,
    )
    present = live.look(exploring, NOW + 34)
    assert present.progress.seconds_left == pytest.approx(6.0)
    coming = len(all_nodes("exploration", "evaluation")) - 2  # one is done, one runs
    assert present.seconds_left == pytest.approx(6.0 + 2.0 * coming)


def test_without_a_rate_it_takes_as_long_as_before(exploring):
    coming = len(all_nodes("exploration", "evaluation")) - 2
    present = live.look(exploring, NOW + 0.5)
    assert present.seconds_left == pytest.approx(1.5 + 2.0 * coming)
    assert live.look(exploring, NOW + 60).seconds_left == pytest.approx(2.0 * coming)


def test_nothing_is_promised_where_nothing_tells(exploring):
    del exploring.records[0]["nodes"]["predict"]
    assert live.look(exploring, NOW).seconds_left is None
    exploring.records = [exploring.records[1]]  # the first iteration of all
    present = live.look(exploring, NOW)
    assert present.seconds_left is None and present.stages[0].name == "augmentation"


def test_progress_of_a_trial_run_and_of_a_dead_process_is_none(exploring):
    exploring.progress(run="trial")
    assert live.look(exploring, NOW).progress is None
    exploring.at_work = False
    present = live.look(exploring, NOW)
    assert (present.status, present.node, present.seconds_left) == ("interrupted", "", None)


class Placed(Campaign):
    """A campaign of which only the place is known."""

    @property
    def runs(self) -> Path:
        return self.project / "runs"


def test_a_campaign_is_at_work_while_a_process_holds_its_lock(tmp_path):
    campaign = Placed(tmp_path, None)
    assert not campaign.is_at_work()  # never begun
    with FileLock(tmp_path / "iteration.lock"):
        assert campaign.is_at_work()
    assert not campaign.is_at_work()
    with FileLock(tmp_path / "iteration.lock", timeout=0):
        pass  # looking has not kept it


@pytest.mark.slow
def test_where_output_is_no_terminal_watching_is_looking_once(finished):
    assert finished.succeed("campaign", "status", "--watch") == finished.succeed(
        "campaign", "status"
    )


@pytest.mark.slow
def test_on_a_terminal_it_stays_until_it_is_interrupted(finished):
    ours, theirs = pty.openpty()
    # tests that a shell runs in the background would pass on that Ctrl-C is ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "campaign", "status", "--watch", "--env", finished.env],
        cwd=finished.folder,
        env={**os.environ, "COLUMNS": "120", "LINES": "50", "TERM": "xterm"},
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + 120
    while shown.count(b"Ctrl-C") < 2:  # it has been shown twice
        assert time.monotonic() < deadline
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    os.close(ours)
    assert b"iteration 2 of 2: completed" in shown
    assert b"Labels by iteration" in shown
