"""``kedro campaign relax``: inputs at the campaign's own level of theory."""

from __future__ import annotations

from pathlib import Path

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.startup import ProjectMetadata

from potwright.cli.readable import readable


@click.command("relax")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--max-force",
    type=click.FloatRange(min=0, min_open=True),
    default=0.01,
    show_default=True,
    help="Largest force at the end, eV/Å.",
)
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Labels of each structure at most.",
)
@env_option
@click.pass_obj
@readable
def relax(
    metadata: ProjectMetadata,
    source: Path,
    folder: Path,
    *,
    max_force: float,
    max_steps: int,
    env: str | None,
) -> None:
    """Relax the structures of SOURCE with the engine that labels, and write them into FOLDER.

    SOURCE is a folder, a file or a pattern. Atoms and cells relax. An engine that samples the Γ
    point only sees each structure as the supercell that augmentation makes. Labels are kept in the
    label store.
    """
    from potwright.campaign import Campaign
    from potwright.campaign.relaxing import relax_structures
    from potwright.errors import InputError

    outcomes = relax_structures(
        Campaign(metadata.project_path, env),
        source,
        folder,
        max_force=max_force,
        max_steps=max_steps,
    )
    for one in outcomes:
        lengths = " ".join(f"{length:.4f}" for length in one.lengths_angstrom)
        found = f"{one.energy_per_atom:.4f} eV/atom, cell {lengths} Å -> {one.file}"
        click.echo(f"{one.name} ({one.atoms_computed} atoms): {one.why or found}")
    failed = [one.name for one in outcomes if one.why]
    if failed:
        raise InputError(f"not relaxed: {', '.join(failed)}; nothing was written for these")
