"""``kedro structures …``: exchange with other programs."""

from __future__ import annotations

from pathlib import Path

import click

from potwright.cli.readable import readable


@click.group()
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
