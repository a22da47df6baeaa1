"""The loop: one Kedro session per iteration, resumed where it stopped, until the verdict ends it.

A campaign's state is its run records and its data: which iterations are completed, which one is
under way. Nothing else has to survive.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from kedro.framework.project import settings
from kedro.io.core import generate_timestamp

from potwright.configuration import ConfigLoader, ProjectParameters
from potwright.errors import InputError
from potwright.files import complete_or_absent
from potwright.parameters_campaign import CampaignParameters
from potwright.pipeline_registry import STAGES, register_pipelines
from potwright.run_records import all_records, merge_record, read_record, runs_folder

logger = logging.getLogger(__name__)

NO_VERSION = "none-before-the-first-iteration"
SECONDS_FOR_A_DYING_RUN = 10
ITERATION_LOCK = "iteration.lock"


@dataclass(frozen=True)
class Iteration:
    """One turn of the loop."""

    number: int
    version: str
    status: str
    record: dict[str, Any]


@dataclass(frozen=True)
class Campaign:
    """A campaign as its environment's configuration names it."""

    project: Path
    env: str | None

    @property
    def name(self) -> str:
        """Part of every path, so that two campaigns never see each other's data."""
        return str(self._config["globals"]["campaign"])

    @property
    def parameters(self) -> CampaignParameters:
        """When the campaign ends."""
        return self.all_parameters.campaign

    @property
    def all_parameters(self) -> ProjectParameters:
        """The parameters of all stages."""
        return ProjectParameters.model_validate(self._config["parameters"])

    @property
    def catalog(self) -> dict[str, Any]:
        """The entries of the catalog, as configured."""
        return self._config["catalog"]

    @property
    def runs(self) -> Path:
        """The folder of its run records."""
        return runs_folder(self.project, self.name)

    @cached_property
    def _config(self) -> ConfigLoader:
        """Read once: packing a campaign asks for the catalog a hundred times."""
        return ConfigLoader(
            conf_source=str(self.project / settings.CONF_SOURCE),
            env=self.env,
            **settings.CONFIG_LOADER_ARGS,
        )

    def iterations(self) -> list[Iteration]:
        """All iterations begun, in order; of one that was begun anew, the last attempt."""
        attempts = {
            record["iteration"]: Iteration(
                record["iteration"], record["run_id"], record["status"], record
            )
            for record in all_records(self.runs)
            if "iteration" in record
        }
        return [attempts[number] for number in sorted(attempts)]

    def _completed(self) -> list[Iteration]:
        return [i for i in self.iterations() if i.status == "completed"]

    def document(self, name: str, version: str) -> dict[str, Any]:
        """A JSON document of the campaign's reporting folder; empty if there is none."""
        path = self.runs.parent / name / version / name
        return json.loads(path.read_text()) if path.is_file() else {}

    def is_at_work(self) -> bool:
        """Whether an iteration is running now, in whatever process."""
        path = self.runs.parent / ITERATION_LOCK
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):  # for an instant; who begins meanwhile waits for it
                return False
        except Timeout:
            return True

    @property
    def target(self) -> int | None:
        """The iteration to stop after, as the last call of :meth:`run` set it."""
        path = self.runs.parent / "campaign.json"
        return int(json.loads(path.read_text())["target"]) if path.is_file() else None

    # ---------------------------------------------------------------- the loop

    def run(self, max_iterations: int | None = None) -> Iterator[Iteration]:
        """Run iterations until the verdict is final or enough of them are done.

        Parameters
        ----------
        max_iterations
            How many iterations this call adds (an interrupted one counts); by default as many as
            ``campaign.max_iterations`` says, or what an interrupted call had left to do.

        Raises
        ------
        InputError
            If the label store cannot be opened, another process runs this campaign, or an
            iteration failed.
        """
        from potwright.campaign.labels import label_store

        parameters = self.parameters  # refused here, before anything is kept
        with label_store(self):  # and so is a place for labels that cannot be reached
            pass
        with self._only_process():
            target = self._target(max_iterations, parameters.max_iterations)
            while True:
                iteration = self._run_iteration(target)
                yield iteration
                if iteration.number >= target or self.verdict(iteration)["verdict"] != "continue":
                    return

    def next_iteration(self) -> tuple[int, Iteration | None]:
        """The number of the iteration that a run does next, and its interrupted attempt if any."""
        resumable = [i for i in self.iterations() if _is_worth_resuming(i)]
        return len(self._completed()) + 1, resumable[-1] if resumable else None

    def verdict(self, iteration: Iteration) -> dict[str, Any]:
        """What the evaluation of an iteration concluded."""
        return self.document("verdict.json", iteration.version)

    def _target(self, max_iterations: int | None, default: int) -> int:
        """The iteration to stop after; kept on disk so that an interrupted call keeps its aim."""
        path, kept = self.runs.parent / "campaign.json", self.target or 0
        completed = self._completed()
        unfinished = len(completed) < len(self.iterations())
        going = unfinished or not completed or self.verdict(completed[-1])["verdict"] == "continue"
        if max_iterations is None and going and kept > len(completed):
            return kept
        target = len(completed) + (max_iterations or default)
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps({"target": target}))
        return target

    def _run_iteration(self, target: int) -> Iteration:
        """Begin the next iteration, or resume the one that was interrupted, in its own process."""
        completed = self._completed()
        number, interrupted = self.next_iteration()
        version = interrupted.version if interrupted else generate_timestamp()
        news = {"iteration": number, "status": "running", "parent": _version(completed)}
        if interrupted:
            logger.info("Resuming iteration %d (%s)", number, version)
            self._warn_of_changes(interrupted.record)
        else:
            logger.info("Iteration %d (%s)", number, version)
        merge_record(self.runs, version, news)
        ended = self._run_process(version, number, target)
        record = read_record(self.runs, version)
        if record["status"] != "completed":
            how = f" (its process ended by signal {-ended})" if ended < 0 else ""
            raise InputError(
                f"iteration {number} of campaign {self.name!r} did not complete{how}. What is "
                "finished is kept: mend the cause and repeat the command to go on."
            )
        if ended != 0:
            logger.warning("Iteration %d is complete, but its process ended badly.", number)
        return Iteration(number, version, record["status"], record)

    def _run_process(self, version: str, number: int, target: int) -> int:
        """One process per iteration: nothing piles up, GPU memory is given back."""
        command = [sys.executable, "-m", "kedro", "campaign", "iterate", version]
        command += ["--number", str(number), "--target", str(target)]
        command += ["--env", self.env] if self.env else []
        return subprocess.run(command, cwd=self.project, check=False).returncode

    def _warn_of_changes(self, record: dict[str, Any]) -> None:
        before = _flat(record.get("parameters", {}))
        now = _flat(json.loads(json.dumps(self._config["parameters"], default=str)))
        own = ("campaign.iteration", "campaign.max_iterations")  # which the campaign itself sets
        for key in sorted((before.keys() | now.keys()) - set(own)):
            if before and before.get(key) != now.get(key):
                logger.warning(
                    "%s changed from %r to %r since this iteration began; stages that are "
                    "finished keep the old value",
                    key,
                    before.get(key),
                    now.get(key),
                )

    @contextmanager
    def _only_process(self) -> Iterator[None]:
        self.runs.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.runs.parent / "campaign.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"campaign {self.name!r} is being run by another process; wait for it, stop it, or "
                "give this campaign another name (`campaign` in globals.yml)"
            ) from None
        try:
            yield
        finally:
            lock.release()

    # ---------------------------------------------------------------- one iteration

    def iterate(self, version: str, number: int, target: int) -> None:
        """Run one iteration in this process, as the version that is given.

        What the version already holds is not made again.
        """
        from kedro.framework.session import KedroServiceSession

        from potwright.campaign.report import report_after_iteration
        from potwright.execution import end_with_parent

        end_with_parent(os.getppid())
        lock = FileLock(self.runs.parent / ITERATION_LOCK)
        try:
            lock.acquire(timeout=SECONDS_FOR_A_DYING_RUN)
        except Timeout:
            raise InputError(
                f"an iteration of campaign {self.name!r} is still running; stop it first"
            ) from None
        names = list(STAGES) if number == 1 else [n for n in STAGES if n != "augmentation"]
        with lock, KedroServiceSession.create(project_path=self.project, env=self.env) as session:
            try:
                session.run(
                    run_id=version,
                    pipeline_names=names,
                    load_versions=self.load_versions(version, names),
                    only_missing_outputs=True,
                    runtime_params={"campaign": {"iteration": number, "max_iterations": target}},
                )
            finally:
                report_after_iteration(self, number)

    def load_versions(self, version: str, stages: list[str]) -> dict[str, str]:
        """Pin every dataset: its own outputs to this version, the rest to completed iterations."""
        completed = self._completed()
        last = _version(completed) or NO_VERSION
        first = _version(completed[:1]) or NO_VERSION
        pipelines = register_pipelines()
        outputs = set().union(*(pipelines[name].all_outputs() for name in stages))
        made = set().union(*(pipelines[name].all_outputs() for name in STAGES))
        inputs = set().union(*(pipelines[name].inputs() for name in stages)) - outputs
        pinned = {}
        for name, entry in self.catalog.items():
            if not isinstance(entry, dict) or not entry.get("versioned"):
                continue
            if name in outputs:
                pinned[name] = version
            elif name in inputs and entry.get("previous"):
                pinned[name] = last
            elif name in inputs & made:  # others are the user's own
                pinned[name] = first
        return pinned


def _version(iterations: list[Iteration]) -> str | None:
    return iterations[-1].version if iterations else None


def _is_worth_resuming(iteration: Iteration) -> bool:
    """Whether it did not end, and more is kept than what a user may have mended since.

    An iteration that failed before its labels were complete begins anew, with the inputs as they
    are now. Nothing is lost: labels that were computed are in the store.
    """
    if iteration.status == "failed":
        return "labels" in iteration.record.get("saved", {})
    return iteration.status != "completed"


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat
