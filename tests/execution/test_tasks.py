"""What run_tasks promises, with real processes that really die."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from potwright.errors import InputError
from potwright.execution import (
    DaskExecutor,
    ExecutorBlock,
    LocalExecutor,
    Outcome,
    SerialExecutor,
    SlurmExecutor,
    WorkerLostError,
    run_tasks,
    usable_cores,
)
from potwright.execution import tasks as tasks_module
from potwright.execution.pool import EVICTION
from potwright.execution.worker import THREAD_LIMITS

# pytest's import mode leaves test modules where no other process can import them
cloudpickle.register_pickle_by_value(sys.modules[__name__])

TWO = LocalExecutor(workers=2)


def where(_: int) -> tuple[int, str | None]:
    time.sleep(0.02)
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def kill_own_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)


class TwoPartError(Exception):
    """Cannot be unpickled: its constructor wants more than ``args`` holds."""

    def __init__(self, code: int, text: str):
        super().__init__(f"{code}: {text}")


def carry_out(task: tuple[str, Path, Any]) -> Any:
    """Do what the task says; every try leaves a line."""
    what, folder, number = task
    with (folder / f"{what}-{number}").open("a") as tries:
        tries.write("x")
    match what:
        case "square":
            time.sleep(0.05)
            return number**2
        case "tell":
            return os.getpid(), [os.environ.get(name) for name in THREAD_LIMITS]
        case "refuse":
            raise InputError("this is not allowed")
        case "raise what cannot travel":
            raise TwoPartError(7, "no convergence")
        case "return what cannot travel":
            return threading.Lock()
        case "die once" if (folder / f"{what}-{number}").stat().st_size > 1:
            return "survived"
        case "die once" | "poison":
            kill_own_process()


def run(function, tasks, executor=TWO, **options):
    return list(run_tasks(function, tasks, executor, description="test", **options))


@dataclass(frozen=True)
class Story:
    """What became of tasks of every kind."""

    tasks: list[tuple[str, Path, Any]]
    outcomes: list[Outcome]
    log: list[str]

    def of(self, what: str) -> list[Outcome]:
        return [o for o in self.outcomes if self.tasks[o.index][0] == what]

    def one(self, what: str) -> Outcome:
        (outcome,) = self.of(what)
        return outcome

    def tries(self, what: str) -> list[int]:
        """How often each task of a kind was begun."""
        return [len((f / f"{w}-{n}").read_text()) for w, f, n in self.tasks if w == what]


@pytest.fixture(scope="module", params=["local", "dask", "slurm"])
def story(request, tmp_path_factory) -> Story:
    """The same tasks in two workers of each kind of executor."""
    two = {"threads_per_worker": 3}
    match request.param:
        case "local":
            executor: ExecutorBlock = LocalExecutor(workers=2, **two)
        case "dask":
            executor = DaskExecutor(workers=2, **two)
        case "slurm":
            executor = SlurmExecutor(**request.getfixturevalue("slurm"), cores=3, **two)
    folder = tmp_path_factory.mktemp(request.param)
    tasks: list[Any] = [("square", folder, i) for i in range(12)]
    for at, what in enumerate(
        ("refuse", "raise what cannot travel", "return what cannot travel", "poison", "die once")
    ):
        tasks.insert(2 * at + 1, (what, folder, 0))
    tasks += [("tell", folder, i) for i in range(3)]
    tasks.insert(4, ("cannot be sent", folder, (i for i in "generators stay")))
    lines = Warnings()
    logger = logging.getLogger("potwright.execution")
    logger.addHandler(lines)
    outcomes = run(carry_out, tasks, executor)
    logger.removeHandler(lines)
    return Story(tasks, outcomes, lines.lines)


class Warnings(logging.Handler):
    """Keeps what is warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_every_task_has_one_outcome(story):
    assert sorted(o.index for o in story.outcomes) == list(range(len(story.tasks)))
    assert all((o.error is None) != (o.value is None) for o in story.outcomes)


def test_what_is_well_is_computed_once_whatever_the_neighbours_do(story):
    values = {story.tasks[o.index][2]: o.value for o in story.of("square")}
    assert values == {i: i * i for i in range(12)}
    assert all(o.seconds >= 0.05 for o in story.of("square"))
    assert story.tries("square") == [1] * 12


def test_workers_are_other_processes_with_limited_threads(story):
    told = [o.value for o in story.of("tell")]
    assert os.getpid() not in {pid for pid, _ in told}
    assert all(threads == ["3"] * len(THREAD_LIMITS) for _, threads in told)


def test_a_task_that_raises_is_recorded_and_not_tried_again(story):
    failure = story.one("refuse").error
    assert (failure.kind, failure.message) == ("InputError", "this is not allowed")
    assert "carry_out" in failure.traceback
    assert story.tries("refuse") == [1]


def test_what_does_not_survive_pickling_is_recorded_too(story):
    raised = story.one("raise what cannot travel").error
    assert (raised.kind, raised.message) == ("TwoPartError", "7: no convergence")
    assert "pickle" in story.one("return what cannot travel").error.message
    assert "generator" in story.one("cannot be sent").error.message


def test_a_task_whose_worker_died_is_tried_again(story):
    assert story.one("die once").value == "survived"
    assert story.tries("die once") == [2]


def test_a_task_that_kills_its_workers_is_given_up_after_exactly_two_tries(story):
    failure = story.one("poison").error
    assert failure.kind == "worker lost"
    assert failure.message.startswith("in each of 2 tries: its process")
    assert story.tries("poison") == [2]


def test_only_lost_workers_are_warned_of(story):
    ends = ["it is tried again", "it is tried again", "it is given up"]
    assert sorted(line.rpartition("; ")[2] for line in story.log) == sorted(ends)


def test_no_tasks_start_nothing():
    assert run(where, []) == []


def test_one_worker_is_reused():
    assert len({o.value for o in run(where, range(6), LocalExecutor(workers=1))}) == 1


def test_several_workers_share_the_tasks():
    assert len({o.value[0] for o in run(where, range(40))}) == 2


def test_a_function_that_workers_cannot_load_is_the_users_mistake(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    from only_here import double

    (tmp_path / "only_here.py").unlink()
    with pytest.raises(InputError, match=r"cannot load what they are to run: ModuleNotFound.*only"):
        run(double, range(100))


def test_if_every_worker_dies_somebody_has_to_look(monkeypatch):
    monkeypatch.setattr(tasks_module, "HOPELESS", 4)
    with pytest.raises(InputError, match=r"8 workers were lost before any task had ended.*SIGKILL"):
        run(lambda _: kill_own_process(), range(100))


class Evicting:
    """Workers that somebody ends from outside, a number of times for each task."""

    def __init__(self, evictions: int):
        self.evictions = evictions
        self.submitted: Counter[bytes] = Counter()

    def verify(self) -> None: ...

    def start(self, tasks: int) -> Evicting:
        return self

    def slots(self) -> int:
        return 2

    def submit(self, function, /, *arguments):
        future: Future[bytes] = Future()
        self.submitted[arguments[-1]] += 1
        if self.submitted[arguments[-1]] <= self.evictions:
            future.set_exception(WorkerLostError("the job was cancelled", EVICTION))
        else:
            future.set_result(function(*arguments))
        return future

    def stop(self, *, at_once: bool) -> None: ...


def test_a_worker_that_was_ended_from_outside_is_hardly_the_tasks_fault():
    outcomes = run(abs, [-1, -2], Evicting(9))
    assert sorted(o.value for o in outcomes) == [1, 2]


def test_but_it_is_not_tried_for_ever():
    executor = Evicting(10)
    for outcome in run(abs, [-1, -2], executor):
        assert outcome.error.message == "in each of 10 tries: the job was cancelled"
    assert set(executor.submitted.values()) == {10}


def test_results_come_as_they_complete_and_the_rest_may_be_left():
    results = run_tasks(time.sleep, [30.0, 0.0, 30.0], TWO, description="test")
    start = time.perf_counter()
    assert next(results).index == 1
    results.close()
    assert time.perf_counter() - start < 15


def test_serial_runs_in_this_process_one_after_the_other_until_nobody_wants_more(tmp_path):
    tasks = [("square", tmp_path, 2), ("refuse", tmp_path, 0), ("tell", tmp_path, 0)]
    outcomes = run(carry_out, tasks, SerialExecutor())
    assert [o.index for o in outcomes] == [0, 1, 2]
    assert outcomes[0].value == 4 and outcomes[1].error.message == "this is not allowed"
    assert outcomes[2].value[0] == os.getpid()
    squares = [("square", tmp_path, i) for i in (7, 8, 9)]
    some = run_tasks(carry_out, squares, SerialExecutor(), description="test")
    assert next(some).value == 49
    some.close()
    assert not (tmp_path / "square-9").exists()


def test_serial_leaves_ctrl_c_to_who_runs_it():
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupt, [1], SerialExecutor())


def test_an_executor_uses_the_cores_that_this_process_may_use():
    assert LocalExecutor().slots() == usable_cores()
    assert LocalExecutor(threads_per_worker=10**6).slots() == 1


# where a shell runs the tests in the background, Ctrl-C is ignored by all that they start
SCRIPT = """
import os, signal, subprocess
signal.signal(signal.SIGINT, signal.default_int_handler)
from potwright.execution import *
print("imported", flush=True)
def task(i):
    if i < 2:
        return os.getpid()
    program = subprocess.Popen(["sleep", "600"])
    print("program", program.pid, file=open({log!r}, "a"), flush=True)
    program.wait()
for outcome in run_tasks(task, range(4), {executor}, description="test"):
    print("worker", outcome.value, flush=True)
"""


def started(tmp_path, request, executor):
    """A script without a main guard, its workers, and the programs that they run, once known."""
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(SCRIPT.format(executor=executor, log=str(log)))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    request.addfinalizer(process.kill)
    assert process.stdout.readline() == "imported\n"
    workers = {int(process.stdout.readline().split()[1]) for _ in range(2)}
    while not log.exists() or len(programs := log.read_text().split()[1::2]) < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return process, workers | set(map(int, programs))


def gone(pid: int, within: float = 20.0) -> bool:
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
@pytest.mark.parametrize("kind", ["local", "dask", "slurm"])
def test_nothing_is_left_behind(tmp_path, request, kind, sign):
    """Neither workers, nor programs that tasks started, nor jobs."""
    if kind == "slurm":
        executor = repr(SlurmExecutor(**request.getfixturevalue("slurm")))
    else:
        executor = {"local": "LocalExecutor(workers=2)", "dask": "DaskExecutor(workers=2)"}[kind]
    process, others = started(tmp_path, request, executor)
    process.send_signal(sign)
    assert all(gone(pid) for pid in others)
    output, error = process.communicate(timeout=20)
    assert "imported" not in output  # workers do not run the script again
    assert process.returncode != 0
    if sign == signal.SIGINT:
        assert "KeyboardInterrupt" in error
