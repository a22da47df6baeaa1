"""A campaign while it runs: which stage and node, how far, and how long still.

What is known is what the run records say, the progress file of the node that is at work, and how
long the nodes took in the iteration before.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from potwright.campaign.table import NOTHING, overview, plain_table
from potwright.pipeline_registry import STAGES
from potwright.run_records import PROGRESS

if TYPE_CHECKING:
    from potwright.campaign import Campaign, Iteration

DONE, RUNNING, BEGUN, WAITING = "done", "running", "begun", "waiting"
REFRESH_SECONDS = 2.0
FIRST_ONLY = "augmentation"
BAR = 40  # characters


@dataclass(frozen=True)
class Stage:
    """A stage of the iteration under way.

    Attributes
    ----------
    name, state
        State is done, running, begun (another stage has its turn) or waiting.
    seconds
        What its nodes took so far, that which runs included.
    before
        What it took in the iteration before; None if there is none.
    """

    name: str
    state: str
    seconds: float
    before: float | None


@dataclass(frozen=True)
class Progress:
    """How far the node is that runs: of ``total`` units, and of ``tasks`` tasks."""

    description: str
    unit: str
    done: int
    total: int
    tasks_done: int
    tasks: int
    seconds_left: float | None


@dataclass(frozen=True)
class Present:
    """What goes on now.

    Attributes
    ----------
    iteration, target
        Number of the iteration, and of the one to stop after.
    status
        running; interrupted, if no process is at work on it; completed; failed.
    node, seconds
        What runs, and for how long.
    progress
        How far that is, where it says so.
    stages
        All of the iteration.
    seconds_left
        Of the iteration, if everything takes as long as before; None if nothing tells.
    """

    iteration: int
    target: int | None
    status: str
    node: str
    seconds: float
    progress: Progress | None
    stages: tuple[Stage, ...]
    seconds_left: float | None


def look(campaign: Campaign, now: float) -> Present | None:
    """What goes on at ``now`` (seconds since 1970); None if the campaign has not begun."""
    iterations = campaign.iterations()
    if not iterations:
        return None
    current = iterations[-1]
    record, before = current.record, _node_seconds(iterations[:-1])
    at_work = current.status == RUNNING and campaign.is_at_work()
    node = str(record.get("running") or "") if at_work else ""
    since = max(now - _stamp(record.get("running_since")), 0.0) if node else 0.0
    progress = _progress(campaign, current, now) if at_work else None
    status = "interrupted" if current.status == RUNNING and not at_work else current.status
    stages = _stages(current, node, since, before)
    return Present(
        iteration=current.number,
        target=campaign.target,
        status=status,
        node=node,
        seconds=since,
        progress=progress,
        stages=stages,
        seconds_left=_left(current, node, since, before, progress) if at_work else None,
    )


def watch(campaign: Campaign, console: Console) -> None:
    """Show the campaign until the user has seen enough (Ctrl-C)."""
    from rich.live import Live

    with Live(console=console, auto_refresh=False, screen=False) as live:
        try:
            while True:
                live.update(view(campaign, time.time()), refresh=True)
                time.sleep(REFRESH_SECONDS)
        except KeyboardInterrupt:
            return


def view(campaign: Campaign, now: float) -> Group:
    """What :func:`watch` shows at ``now``."""
    present = look(campaign, now)
    if present is None:
        return Group(Text(f"Campaign {campaign.name} has not begun"))
    of = f" of {present.target}" if present.target else ""
    head = f"Campaign {campaign.name}, iteration {present.iteration}{of}: {present.status}"
    if present.seconds_left is not None:
        head += f", about {_time(present.seconds_left)} left"
    clock = datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S")
    parts: list[Any] = [Text(head, style="bold"), Text(f"{clock}; Ctrl-C ends", style="dim")]
    parts.append(_stages_table(present))
    if present.node:
        parts.append(Text(f"{present.node}, for {_time(present.seconds)}"))
    if present.progress:
        parts += _bar(present.progress)
    return Group(*parts, Text(""), *overview(campaign))


def _node_seconds(earlier: list[Iteration]) -> dict[str, float]:
    """What each node took, in the last completed iteration that ran it."""
    found: dict[str, float] = {}
    for iteration in earlier:
        if iteration.status == "completed":
            nodes = iteration.record.get("nodes", {})
            found |= {name: float(ran["seconds"]) for name, ran in nodes.items()}
    return found


def _stage_nodes(iteration: Iteration) -> dict[str, list[str]]:
    """The nodes of the stages that the iteration has."""
    names = [name for name in STAGES if iteration.number == 1 or name != FIRST_ONLY]
    return {name: [n.name for n in STAGES[name].create_pipeline().nodes] for name in names}


def _stages(
    iteration: Iteration, node: str, since: float, before: dict[str, float]
) -> tuple[Stage, ...]:
    ran = iteration.record.get("nodes", {})
    stages = []
    for name, nodes in _stage_nodes(iteration).items():
        finished = all(one in ran for one in nodes) or iteration.status == "completed"
        waiting = BEGUN if any(one in ran for one in nodes) else WAITING
        state = RUNNING if node in nodes else DONE if finished else waiting
        seconds = sum(float(ran[one]["seconds"]) for one in nodes if one in ran)
        known = [before[one] for one in nodes if one in before]
        took = seconds + (since if node in nodes else 0.0)
        stages.append(Stage(name, state, took, sum(known) if known else None))
    return tuple(stages)


def _progress(campaign: Campaign, iteration: Iteration, now: float) -> Progress | None:
    path = campaign.runs.parent / PROGRESS
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    if kept.get("run") != iteration.version:  # a trial run
        return None
    gone, elapsed = kept["done"] - kept["done_at_first"], kept["updated"] - kept["began"]
    left = None
    if gone > 0 and elapsed > 0:
        left = max((kept["total"] - kept["done"]) * elapsed / gone - (now - kept["updated"]), 0.0)
    fields = ("description", "unit", "done", "total", "tasks_done", "tasks")
    return Progress(**{name: kept[name] for name in fields}, seconds_left=left)


def _left(
    iteration: Iteration,
    node: str,
    since: float,
    before: dict[str, float],
    progress: Progress | None,
) -> float | None:
    """Seconds left of the iteration; None if a node that is to come has never run."""
    ran = iteration.record.get("nodes", {})
    coming = [n for nodes in _stage_nodes(iteration).values() for n in nodes if n not in ran]
    coming = [n for n in coming if n != node]
    if any(n not in before for n in coming):
        return None
    if progress is not None and progress.seconds_left is not None:
        own: float | None = progress.seconds_left
    else:
        own = max(before[node] - since, 0.0) if node in before else None
    return None if own is None else own + sum(before[n] for n in coming)


def _stages_table(present: Present) -> Table:
    table = plain_table("", "stage", "", "time", "before")
    table.title = None
    styles = {RUNNING: "bold green", DONE: "", BEGUN: "", WAITING: "dim"}
    for stage in present.stages:
        seconds = _time(stage.seconds) if stage.state != WAITING else NOTHING
        before = NOTHING if stage.before is None else _time(stage.before)
        table.add_row(stage.name, stage.state, seconds, before, style=styles[stage.state])
    return table


def _bar(progress: Progress) -> list[Any]:
    unit = "" if progress.unit == "tasks" else f" {progress.unit}"
    tasks = f", {progress.tasks_done}/{progress.tasks} finished" if unit else ""
    left = "" if progress.seconds_left is None else f", {_time(progress.seconds_left)} left"
    said = f"{progress.description}: {progress.done}/{progress.total}{unit}{tasks}{left}"
    return [Text(said), ProgressBar(total=progress.total, completed=progress.done, width=BAR)]


def _time(seconds: float) -> str:
    """A time as a clock shows it.

    >>> _time(3725)
    '1:02:05'
    """
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


def _stamp(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
