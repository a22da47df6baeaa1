"""Imports once what commands need, then forks a process for each command that it is given.

Run as a script in a project's folder. Each line of standard input is a command in JSON, its
arguments and the file for its output; the answer is its exit status, −9 if it was killed.
"""

from __future__ import annotations

import json
import os
import sys


def import_what_commands_need() -> None:
    import ase.md.nose_hoover_chain  # noqa: F401
    import kedro.framework.cli  # noqa: F401
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401
    import sklearn  # noqa: F401

    from potwright.pipeline_registry import register_pipelines
    from potwright.potentials.mace import quiet_import

    register_pipelines()
    with quiet_import():
        import torch  # noqa: F401


def carry_out(arguments: list[str], output: str) -> None:
    """Be the command, as the head of a process group of its own."""
    from kedro.framework.cli import main

    os.setsid()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(here, there)
    sys.argv = ["kedro", *arguments]
    main()


if __name__ == "__main__":
    import_what_commands_need()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            carry_out(**order)
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
