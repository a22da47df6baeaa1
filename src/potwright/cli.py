"""Commands: ``kedro campaign …``, ``kedro structures …``, and a readable ``kedro run``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import env_option
from kedro.framework.startup import ProjectMetadata
from kedro.io import DatasetError
from kedro.validation import ParameterValidationError

from potwright.errors import InputError, in_words

READABLE = (InputError, DatasetError, ParameterValidationError, yaml.YAMLError)


def readable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a mistake of the user's into one message and exit status 1."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except READABLE as error:
            raise click.ClickException(in_words(error)) from error

    return command


@click.group(name="potwright")
def cli() -> None:
    """Potwright: neural-network interatomic potentials by active learning."""


kedro_run.callback = readable(kedro_run.callback)
cli.add_command(kedro_run)


@cli.group()
def campaign() -> None:
    """Run an active-learning campaign, and see where it stands."""


@campaign.command("run")
@click.option(
    "--max-iterations",
    type=click.IntRange(min=1),
    default=None,
    help="Iterations that this call adds; by default `campaign.max_iterations`.",
)
@env_option
@click.pass_obj
@readable
def campaign_run(metadata: ProjectMetadata, max_iterations: int | None, env: str | None) -> None:
    """Repeat the stages until the verdict is final. Run it again to resume or to continue."""
    from potwright.campaign import Campaign
    from potwright.campaign_table import print_campaign

    started = Campaign(metadata.project_path, env)
    for iteration in started.run(max_iterations):
        verdict = started.verdict(iteration)
        click.secho(f"\nIteration {iteration.number}. {verdict['message']}\n", bold=True)
    print_campaign(started)


@campaign.command("status")
@env_option
@click.pass_obj
@readable
def campaign_status(metadata: ProjectMetadata, env: str | None) -> None:
    """Iterations, labels, errors, verdict, and what is running."""
    from potwright.campaign import Campaign
    from potwright.campaign_table import print_campaign

    print_campaign(Campaign(metadata.project_path, env))


@campaign.command("iterate", hidden=True)
@click.argument("version")
@click.option("--number", type=click.IntRange(min=1), required=True)
@click.option("--target", type=click.IntRange(min=1), required=True)
@env_option
@click.pass_obj
@readable
def campaign_iterate(
    metadata: ProjectMetadata, version: str, number: int, target: int, env: str | None
) -> None:
    """Run one iteration; `kedro campaign run` calls this."""
    from potwright.campaign import Campaign

    Campaign(metadata.project_path, env).iterate(version, number, target)


@cli.group()
def structures() -> None:
    """Exchange structures and labels with other programs."""


@structures.command("export")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@readable
def structures_export(source: Path, target: Path) -> None:
    """Write the structures of SOURCE (HDF5) to TARGET (extended XYZ)."""
    from potwright.pes import PESData, export_extxyz

    pes = PESData.read(source)
    export_extxyz(pes, target)
    click.echo(f"{len(pes)} structures written to {target}")


@structures.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--labels",
    default="calculator",
    show_default=True,
    help="Where labels are: calculator, none, or a prefix of keys such as REF_.",
)
@readable
def structures_import(source: Path, target: Path, labels: str) -> None:
    """Read SOURCE (extended XYZ) and write TARGET (HDF5)."""
    from potwright.pes import import_extxyz

    pes = import_extxyz(source, labels=labels, source=source.name)
    pes.write(target)
    click.echo(f"{pes} written to {target}")


@structures.command("show")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@readable
def structures_show(source: Path) -> None:
    """Summarise the structures of SOURCE (HDF5) by origin."""
    from potwright.pes import PESData

    pes = PESData.read(source)
    click.echo(f"{pes}\n{pes.summary().to_string(index=False)}")
