"""What run_tasks promises, with real processes that really die."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import pytest

from potwright.errors import InputError
from potwright.execution import LocalExecutor, run_tasks, usable_cores

# pytest's import mode leaves test modules where no other process can import them
cloudpickle.register_pickle_by_value(sys.modules[__name__])

TWO = LocalExecutor(workers=2)


def square(x: int) -> int:
    return x * x


def where(_: int) -> tuple[int, str | None]:
    time.sleep(0.02)
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def refuse_three(x: int) -> int:
    if x == 3:
        raise InputError("three is not allowed")
    return x


def kill_own_process_on_three(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return x


def die_once(marker: str) -> str:
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


class TwoPartError(Exception):
    """Cannot be unpickled: its constructor wants more than ``args`` holds."""

    def __init__(self, code: int, text: str):
        super().__init__(f"{code}: {text}")


def raise_what_cannot_travel(_: int) -> None:
    raise TwoPartError(7, "no convergence")


def run(function, tasks, executor=TWO, **options):
    return list(run_tasks(function, tasks, executor, description="test", **options))


def test_every_task_has_one_outcome_with_its_value_and_time():
    outcomes = run(square, list(range(20)))
    assert {o.index: o.value for o in outcomes} == {i: i * i for i in range(20)}
    assert all(o.error is None and o.seconds >= 0 for o in outcomes)


def test_no_tasks_start_nothing():
    assert run(square, []) == []


def test_one_worker_is_another_process_and_is_reused_with_limited_threads():
    values = {o.value for o in run(where, range(6), LocalExecutor(workers=1, threads_per_worker=3))}
    ((pid, threads),) = values
    assert pid != os.getpid()
    assert threads == "3"


def test_several_workers_share_the_tasks():
    assert len({o.value[0] for o in run(where, range(40))}) == 2


def test_a_task_that_raises_is_recorded_and_stops_nothing():
    outcomes = {o.index: o for o in run(refuse_three, range(6))}
    failure = outcomes[3].error
    assert failure.kind == "InputError"
    assert failure.message == "three is not allowed"
    assert "refuse_three" in failure.traceback
    assert [outcomes[i].value for i in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


def test_an_exception_that_does_not_survive_pickling_is_recorded_too():
    (outcome,) = run(raise_what_cannot_travel, [0])
    assert (outcome.error.kind, outcome.error.message) == ("TwoPartError", "7: no convergence")


def test_a_task_that_cannot_be_sent_is_recorded_and_stops_nothing():
    outcomes = {o.index: o for o in run(str, [1, (i for i in "generators stay"), 3])}
    assert outcomes[1].error is not None
    assert (outcomes[0].value, outcomes[2].value) == ("1", "3")


def test_a_task_whose_worker_died_is_tried_again(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        (outcome,) = run(die_once, [str(tmp_path / "marker")])
    assert outcome.value == "survived"
    assert "worker process died" in caplog.text


def test_a_task_that_kills_its_workers_is_told_from_its_neighbours():
    outcomes = {o.index: o for o in run(kill_own_process_on_three, range(8), retries=1)}
    assert outcomes[3].error.kind == "worker lost"
    assert "in each of 2 tries" in outcomes[3].error.message
    assert [outcomes[i].value for i in (0, 1, 2, 4, 5, 6, 7)] == [0, 1, 2, 4, 5, 6, 7]


def test_results_come_as_they_complete_and_the_rest_may_be_left():
    results = run_tasks(time.sleep, [30.0, 0.0, 30.0], TWO, description="test")
    start = time.perf_counter()
    assert next(results).index == 1
    results.close()
    assert time.perf_counter() - start < 15


def test_an_executor_uses_the_cores_that_this_process_may_use():
    assert LocalExecutor().slots() == usable_cores()
    assert LocalExecutor(threads_per_worker=10**6).slots() == 1


SCRIPT = """
import os, time
from potwright.execution import LocalExecutor, run_tasks
print("imported", flush=True)
def task(i):
    if i < 2:
        return os.getpid()
    time.sleep(600)
for outcome in run_tasks(task, range(4), LocalExecutor(workers=2), description="test"):
    print("worker", outcome.value, flush=True)
"""


def started(tmp_path):
    """A script without a main guard, and the processes of its workers once they are known."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "imported\n"
    return process, {int(process.stdout.readline().split()[1]) for _ in range(2)}


def gone(pid: int, within: float = 10.0) -> bool:
    """Whether a process ends within some seconds (a zombie that nobody reaps has ended)."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path, sign):
    process, workers = started(tmp_path)
    process.send_signal(sign)
    assert all(gone(pid) for pid in workers)
    output, error = process.communicate(timeout=20)
    assert "imported" not in output  # workers do not run the script again
    assert process.returncode != 0
    if sign == signal.SIGINT:
        assert "KeyboardInterrupt" in error
