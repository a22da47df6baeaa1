"""Commands: ``kedro campaign …``, ``kedro structures …``, and a readable ``kedro run``.

A group of commands is a module here; Kedro finds :func:`cli`.
"""

from __future__ import annotations

import click
from kedro.framework.cli.project import run as kedro_run

from potwright.cli.campaign import campaign
from potwright.cli.readable import readable
from potwright.cli.structures import structures


@click.group(name="potwright")
def cli() -> None:
    """Potwright: neural-network interatomic potentials by active learning."""


kedro_run.callback = readable(kedro_run.callback)
cli.add_command(kedro_run)
cli.add_command(campaign)
cli.add_command(structures)
