"""``kedro campaign …``: run a campaign, and see where it stands."""

from __future__ import annotations

from pathlib import Path

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.startup import ProjectMetadata

from potwright.cli.labels import labels, relabel
from potwright.cli.readable import readable
from potwright.cli.relax import relax


@click.group()
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
    from potwright.campaign.report import report_path
    from potwright.campaign.table import print_campaign

    started = Campaign(metadata.project_path, env)
    for iteration in started.run(max_iterations):
        verdict = started.verdict(iteration)
        click.secho(f"\nIteration {iteration.number}. {verdict['message']}\n", bold=True)
    print_campaign(started)
    report = report_path(started, iteration)
    if report.exists():
        click.echo(f"\nReport: {report.relative_to(metadata.project_path)}")


@campaign.command("status")
@click.option("--watch", "live", is_flag=True, help="Stay, and show what runs, on a terminal.")
@env_option
@click.pass_obj
@readable
def campaign_status(metadata: ProjectMetadata, live: bool, env: str | None) -> None:
    """Iterations, labels, errors, verdict, and what is running."""
    from potwright.campaign import Campaign
    from potwright.campaign.live import watch
    from potwright.campaign.table import print_campaign, wide_console

    console, campaign = wide_console(), Campaign(metadata.project_path, env)
    if live and console.is_terminal:
        watch(campaign, console)
    else:
        print_campaign(campaign)


@campaign.command("report")
@click.option(
    "--iteration",
    "number",
    type=click.IntRange(min=1),
    default=None,
    help="Which; by default the newest, finished or not.",
)
@click.option("--open/--no-open", "show", default=True, help="Show it, where there is a display.")
@env_option
@click.pass_obj
@readable
def campaign_report(
    metadata: ProjectMetadata, number: int | None, show: bool, env: str | None
) -> None:
    """Write the report of an iteration, also of a failed or unfinished one, and show it."""
    from potwright.campaign import Campaign
    from potwright.campaign.report import has_display, write_report

    path = write_report(Campaign(metadata.project_path, env), number)
    click.echo(f"Report: {path.relative_to(metadata.project_path)}")
    if show and has_display():
        click.launch(str(path))


@campaign.command("plan")
@click.option(
    "--timed-labels",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Labels to compute for an estimate of the time; they are kept. 0: none.",
)
@env_option
@click.pass_obj
@readable
def campaign_plan(metadata: ProjectMetadata, timed_labels: int, env: str | None) -> None:
    """What the next iteration would label, and how long it would take. Nothing begins."""
    from potwright.campaign import Campaign
    from potwright.campaign.plan import print_plan

    print_plan(Campaign(metadata.project_path, env), timed_labels)


@campaign.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--iteration",
    "number",
    type=click.IntRange(min=1),
    default=None,
    help="Whose committee; by default that of the last completed iteration.",
)
@click.option(
    "--potential-only",
    is_flag=True,
    help="Without data, labels, run records and provenance, which may be large.",
)
@env_option
@click.pass_obj
@readable
def campaign_export(
    metadata: ProjectMetadata,
    folder: Path,
    number: int | None,
    potential_only: bool,
    env: str | None,
) -> None:
    """Write the committee and a card, and all data that led to it, into a new FOLDER.

    The committee comes with its calibration and files for LAMMPS; the data with labels, run
    records, the graph of their provenance, and checksums.
    """
    from potwright.campaign import Campaign
    from potwright.campaign.export import export_iteration

    exported = export_iteration(
        Campaign(metadata.project_path, env), folder, number, potential_only=potential_only
    )
    number = exported.iteration.number
    click.echo(f"Committee of iteration {number} written to {folder}; see its README.md")
    if packed := exported.packed:
        click.echo(
            f"{packed.files} files ({packed.size / 1e6:.1f} MB) with {packed.calculations} "
            f"calculations packed; see CONTENTS.md. Verify: cd {folder} && sha256sum -c SHA256SUMS"
        )
        for remark in packed.remarks:
            click.secho(f"Note: {remark}", fg="yellow")


@campaign.command("trace")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@env_option
@click.pass_obj
@readable
def campaign_trace(metadata: ProjectMetadata, id: str, as_json: bool, env: str | None) -> None:
    """Tell the whole history of a structure, by its ID or how that begins."""
    import json

    from potwright.campaign import Campaign
    from potwright.campaign.table import wide_console
    from potwright.lineage.history import trace
    from potwright.lineage.holdings import Holdings
    from potwright.lineage.telling import tell

    history = trace(Holdings.of(Campaign(metadata.project_path, env)), id)
    if as_json:
        click.echo(json.dumps(history.as_json(), indent=1, ensure_ascii=False))
    else:
        tell(history, wide_console())


@campaign.command("viz", context_settings={"ignore_unknown_options": True})
@click.option(
    "--iteration",
    "number",
    type=click.IntRange(min=1),
    default=None,
    help="Previews as of the end of this iteration; by default the newest of everything.",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@env_option
@click.pass_obj
@readable
def campaign_viz(
    metadata: ProjectMetadata, number: int | None, options: tuple[str, ...], env: str | None
) -> None:
    """Open Kedro-Viz on an iteration. OPTIONS are those of `kedro viz run`, such as --port."""
    from potwright.campaign import Campaign
    from potwright.campaign.viz import show

    show(Campaign(metadata.project_path, env), number, options)


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


campaign.add_command(labels)
campaign.add_command(relabel)
campaign.add_command(relax)
