"""Where tasks run. It knows nothing of atoms: a function, tasks, and an executor's parameters.

>>> from potwright.execution import LocalExecutor, run_tasks
>>> outcomes = run_tasks(abs, [-1, -2], LocalExecutor(workers=2), description="Absolute values")
>>> sorted(outcome.value for outcome in outcomes)  # doctest: +SKIP
[1, 2]

A new kind of executor is one module with a class like :class:`LocalExecutor` (a ``type``, and the
methods of :class:`ExecutorBlock`), and its name in ``ExecutorParameters`` below. Its pool says how
workers ended; who counts and decides is :func:`run_tasks`, for all kinds alike.
"""

from typing import Annotated

from pydantic import Field

from potwright.execution.dask import DaskExecutor
from potwright.execution.kept import KeptWorkers
from potwright.execution.local import LocalExecutor, usable_cores
from potwright.execution.pool import ExecutorBlock, Pool, WorkerLostError
from potwright.execution.serial import SerialExecutor
from potwright.execution.slurm import SlurmExecutor
from potwright.execution.tasks import Outcome, run_tasks
from potwright.execution.worker import TaskFailure, end_with_parent

ExecutorParameters = Annotated[
    LocalExecutor | SerialExecutor | DaskExecutor | SlurmExecutor, Field(discriminator="type")
]

__all__ = [
    "DaskExecutor",
    "ExecutorBlock",
    "ExecutorParameters",
    "KeptWorkers",
    "LocalExecutor",
    "Outcome",
    "Pool",
    "SerialExecutor",
    "SlurmExecutor",
    "TaskFailure",
    "WorkerLostError",
    "end_with_parent",
    "run_tasks",
    "usable_cores",
]
