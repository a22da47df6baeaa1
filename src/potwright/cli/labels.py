"""``kedro campaign labels …`` and ``relabel``: look into the label store, and fill it otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.startup import ProjectMetadata

from potwright.cli.readable import readable

if TYPE_CHECKING:
    from potwright.campaign import Campaign
    from potwright.quantum.inventory import Filter

FILTERS = (
    click.option("--status", type=click.Choice(["labelled", "failed"]), help="What came of it."),
    click.option("--reason", help="Why it failed: not_converged, crash, …"),
    click.option("--engine", help="Name of the engine, also with its version: 'tblite 0.8'."),
    click.option("--level", help="A name in labelling.levels, or how the level's hash begins."),
    click.option("--formula", help="Composition, such as C64."),
    click.option("--campaign", help="Who bought it."),
    click.option("--iteration", type=click.IntRange(min=0), help="In which iteration."),
)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(FILTERS):
        command = option(command)
    return command


@click.group()
def labels() -> None:
    """Look into the label store, take labels out of it and bring labels in."""


@labels.command("list")
@_filtered
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True)
@env_option
@click.pass_obj
@readable
def labels_list(metadata: ProjectMetadata, limit: int, env: str | None, **filters: Any) -> None:
    """Show calculations, the latest last, and count them by campaign, level, status and reason."""
    from potwright.campaign.labels import label_store
    from potwright.quantum import inventory

    campaign = _campaign(metadata, env)
    with label_store(campaign, must_exist=True) as store:
        calculations = inventory.table(store, _filter(campaign, filters))
        known = inventory.levels(store)
    if calculations.empty:
        click.echo("No such calculations.")
        return
    shown = calculations.tail(limit).assign(level=calculations.level.str[: inventory.SHORT])
    if limit:
        more = len(calculations) - len(shown)
        click.echo(f"… and {more} before\n" if more else "", nl=False)
        click.echo(shown.to_string(index=False, float_format="%.3f", na_rep="–") + "\n")
    click.echo(inventory.summary(calculations).to_string(index=False) + "\n")
    for hash in sorted(set(calculations.level)):
        click.echo(f"{hash[: inventory.SHORT]}: {known[hash]}")


@labels.command("export")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@_filtered
@env_option
@click.pass_obj
@readable
def labels_export(metadata: ProjectMetadata, target: Path, env: str | None, **filters: Any) -> None:
    """Write structures with their labels (or, with --status failed, without) to extended XYZ."""
    from potwright.campaign.labels import label_store
    from potwright.pes import export_extxyz
    from potwright.quantum import inventory

    campaign = _campaign(metadata, env)
    filters["status"] = filters["status"] or "labelled"
    with label_store(campaign, must_exist=True) as store:
        pes = inventory.structures(store, _filter(campaign, filters))
    if not len(pes):
        raise click.ClickException("no such calculations; nothing is written")
    export_extxyz(pes, target)
    click.echo(f"{len(pes)} structures written to {target}")


@labels.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--labels",
    "keys",
    default="calculator",
    show_default=True,
    help="Where labels are: calculator, or a prefix of keys such as REF_ (empty: plain keys).",
)
@click.option(
    "--level",
    help="The level of theory that they are of, a name in labelling.levels; by default that of "
    "labelling.engine.",
)
@env_option
@click.pass_obj
@readable
def labels_import(
    metadata: ProjectMetadata, source: Path, keys: str, level: str | None, env: str | None
) -> None:
    """Bring labels that were made elsewhere (extended XYZ) into the label store."""
    from potwright.campaign.labels import label_store
    from potwright.pes import import_extxyz
    from potwright.quantum import inventory
    from potwright.quantum.foreign_labels import declared

    campaign = _campaign(metadata, env)
    theory = campaign.all_parameters.labelling.engine_at(level).level_of_theory()
    how = f"say where by --labels (now {keys!r}: {_in_words(keys)})"
    pes = declared(import_extxyz(source, labels=keys), theory, str(source), how)
    with label_store(campaign) as store:
        done = inventory.import_labels(store, pes, theory, source.name)
        place = store.database.name
    click.echo(f"{done.added} labels at level {theory} added to {place}; {done.known} were there")
    if done.different:
        click.echo(
            f"Warning: {done.different} of these have another energy in the store, which stays; "
            f"the largest difference is {done.largest_difference_ev:.6f} eV"
        )


@click.command("relabel")
@click.option("--level", required=True, help="A name in labelling.levels.")
@env_option
@click.pass_obj
@readable
def relabel(metadata: ProjectMetadata, level: str, env: str | None) -> None:
    """Label the campaign's labelled structures again, at another level of theory.

    The result is a dataset of its own. Repeat the command to go on where it was interrupted.
    """
    from potwright.campaign.labels import relabel as label_again

    place = label_again(_campaign(metadata, env), level)
    click.echo(f"Relabelled structures: {place}")


def _campaign(metadata: ProjectMetadata, env: str | None) -> Campaign:
    from potwright.campaign import Campaign

    return Campaign(metadata.project_path, env)


def _filter(campaign: Campaign, filters: dict[str, Any]) -> Filter:
    from potwright.quantum.inventory import Filter

    level, levels = filters["level"], campaign.all_parameters.labelling.levels
    if level in levels:
        level = levels[level].level_of_theory().hash
    return Filter(**{**filters, "level": level})


def _in_words(keys: str) -> str:
    if keys == "calculator":
        return "what ASE takes for a calculator's results"
    return f"{keys}energy, {keys}forces, {keys}stress"
