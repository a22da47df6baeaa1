"""Where tasks run. It knows nothing of atoms: a function, tasks, and an executor's parameters.

>>> from potwright.execution import LocalExecutor, run_tasks
>>> outcomes = run_tasks(abs, [-1, -2], LocalExecutor(workers=2), description="Absolute values")
>>> sorted(outcome.value for outcome in outcomes)  # doctest: +SKIP
[1, 2]

A new kind of executor is one module with a class like :class:`LocalExecutor` (a ``type``, and the
methods of :class:`ExecutorBlock`), and its name in ``ExecutorParameters`` below.
"""

from potwright.execution.local import LocalExecutor, usable_cores
from potwright.execution.tasks import ExecutorBlock, Outcome, TaskFailure, run_tasks
from potwright.execution.worker import end_with_parent

# with a second kind: Annotated[LocalExecutor | DaskExecutor, Field(discriminator="type")]
ExecutorParameters = LocalExecutor

__all__ = [
    "ExecutorBlock",
    "ExecutorParameters",
    "LocalExecutor",
    "Outcome",
    "TaskFailure",
    "end_with_parent",
    "run_tasks",
    "usable_cores",
]
