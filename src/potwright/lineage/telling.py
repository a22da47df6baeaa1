"""A structure's history on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from potwright.campaign.table import NOTHING, UNITS, plain_table
from potwright.lineage.history import Dynamics, Generation, History
from potwright.quantum.stored_calculations import Calculation

SHORT = 12  # digits of an id in running text
NOISE = 1e-12  # what is smaller in a matrix is rounding


def tell(history: History, console: Console) -> None:
    """Print a history, from the input to the potentials."""
    own = history.ancestry[0]
    console.print(f"\n[bold]Structure {history.id}[/bold] of campaign {history.campaign}")
    console.print(f"{own.formula}, {_size(own)}; origin {own.origin}", highlight=False)
    console.print(f"Held in {'; '.join(own.held_in)}", highlight=False)
    for title, lines in _parts(history):
        told = list(lines)
        if told:
            console.print(f"\n[bold]{title}[/bold]")
        for line in told:
            indent = 2 + len(line) - len(line.lstrip())
            console.print(Padding(Text(line.lstrip()), (0, 0, 0, indent), expand=False))
    if history.uses:
        console.print()
        console.print(_uses(history))


def _parts(history: History) -> Iterator[tuple[str, Iterator[str]]]:
    yield "Where it comes from", _ancestry(history.ancestry)
    if history.dynamics:
        yield (
            f"Molecular dynamics, iteration {history.dynamics.iteration}",
            _dynamics(history.dynamics),
        )
    yield "Disagreement and selection", _judgement(history)
    yield "Label", _label(history)
    yield "Split", _membership(history)
    yield (
        "Made from it",
        (
            f"{count} structures of origin {origin} in iteration {iteration}"
            for origin, iteration, count in history.made_from_it
        ),
    )


def _ancestry(ancestry: list[Generation]) -> Iterator[str]:
    oldest_first = ancestry[::-1]
    source = next((one.source for one in ancestry if one.source), "")
    yield f"input {source}" if source else "no input: made from the species of all inputs"
    for depth, one in enumerate(oldest_first):
        name = f"{'  ' * depth}└ {one.id[:SHORT]}"
        if not one.formula:
            yield f"{name}, which no dataset holds (an input with its vacuum, or one since changed)"
            continue
        made = f" by {in_words(one.made_by)}" if one.made_by else ""
        yield f"{name} {one.origin}, {one.formula}, {_size(one)}{made}"


def _dynamics(dynamics: Dynamics) -> Iterator[str]:
    frame, row = dynamics.frame, dynamics.trajectory
    if row:
        yield (
            f"trajectory {frame.get('trajectory')} from {str(row['start'])[:SHORT]} "
            f"({row['origin']}, {row['split']}): {row['steps']} steps, {row['frames']} frames, "
            f"ended: {row['end_reason']}"
        )
        yield f"targets {_targets(row)}{_ramp(row)}"
    yield (
        f"{frame.get('ensemble')} by {frame.get('engine')}, driven by member "
        f"{frame.get('driver')}, seed {frame.get('seed')}"
    )
    yield f"this frame at {frame.get('time_fs'):g} fs, targets {_targets(frame)}"
    if frame.get("watch"):
        yield f"kept out of turn: {frame['watch']}"
    if frame.get("sane") is False:
        yield f"not sane: {frame.get('unphysical', '')}"


def _judgement(history: History) -> Iterator[str]:
    judged = history.judgement
    if judged is None:
        if history.ancestry[0].origin != "md":
            yield "not explored: what a campaign begins with is labelled whatever it is"
        else:
            yield "not evaluated yet"
        return
    for name, value in judged.disagreement.items():
        limit = judged.threshold[name]
        above = value is not None and limit is not None and value > limit
        yield (
            f"{name:7s} D = {_number(value)} {UNITS[name]}, threshold {_number(limit)}"
            f"{' (above)' if above else ''}"
        )
    prefix = "selected: " if judged.selected else ""
    audit = ", which is drawn whatever the disagreement" if judged.audit else ""
    yield f"iteration {judged.iteration}, {prefix}{judged.reason}{audit}"
    if judged.rule:
        yield f"the rule says {in_words(judged.rule)}"


def _label(history: History) -> Iterator[str]:
    for one in history.candidacies:
        why = ": ".join(filter(None, (one.reason, one.message.partition("\n")[0])))
        yield f"iteration {one.iteration}: {one.status}{f' ({why})' if why else ''}"
    for calculation in history.calculations:
        yield from _calculation(calculation, history.campaign)
    label = history.label
    if label is None:
        yield "no label" if history.calculations or history.candidacies else "never a candidate"
        return
    entered = f"iteration {label.iteration}" if label.iteration else "the initial labels"
    shared = f", shared from campaign {label.shared_from}" if label.shared_from else ""
    yield (
        f"used: {label.energy_ev:.6f} eV at level {label.level_of_theory[:8]}, entered with "
        f"{entered}{shared}"
    )


def _calculation(one: Calculation, campaign: str) -> Iterator[str]:
    other = "" if one.campaign == campaign else " (another campaign)"
    iteration = "imported" if one.iteration is None else f"iteration {one.iteration}"
    outcome = f"failed, {one.reason}: {one.message.partition(chr(10))[0]}"
    if one.energy_ev is not None:
        outcome = f"{one.energy_ev:.6f} eV"
    recovery = f", by recovery {one.recovery}" if one.recovery else ""
    yield (
        f"row {one.row} of the store: {outcome}{recovery}; {one.engine}, level {one.level[:8]}, "
        f"{one.seconds:.2f} s on {one.host or 'an unknown machine'}, {one.date}, bought by "
        f"{one.campaign}, {iteration}{other}"
    )
    yield f"  {in_words(one.settings)}"
    for attempt in one.attempts:
        how = attempt.get("recovery") or "as asked for"
        yield f"  attempt {how}: {attempt.get('reason')}, {attempt.get('message')}"


def _membership(history: History) -> Iterator[str]:
    member = history.membership
    if member is None:
        yield "none: it is not labelled"
        return
    own = member.group == history.id
    group = "a group of its own" if own else f"with the group of {member.group[:SHORT]}"
    yield (
        f"{member.split}, settled in iteration {member.settled_in_iteration}, {group}"
        f" ({member.group_size} labelled structures)"
    )


def _uses(history: History) -> Any:
    heads = [f"{kind} {UNITS[name]}" for name in UNITS for kind in ("D", "error")]
    table = plain_table("Potentials", "iteration", "it was", "trained", *heads)
    for use in history.uses:
        members = ", ".join(map(str, use.members)) or NOTHING
        cells = [
            _number(values[name]) for name in UNITS for values in (use.disagreement, use.error)
        ]
        table.add_row(str(use.iteration), use.role, members, *cells)
    table.caption = "D: spread of the members; error: of their mean. Trained: which members"
    table.caption_justify = "left"
    return table


def in_words(values: Mapping[str, Any]) -> str:
    """Keys and values on one line; rows of numbers are rounded.

    >>> in_words({"rattle_fraction": 0.3, "copy": 2})
    'rattle_fraction 0.3, copy 2'
    """
    return ", ".join(f"{key} {_rounded(value)}" for key, value in values.items())


def _rounded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if not isinstance(value, float):
        return value
    return float(f"{value:.5g}") if abs(value) > NOISE else 0.0


def _targets(of: Mapping[str, Any], prefix: str = "") -> str:
    temperature, pressure = (
        of.get(f"{prefix}{k}") for k in ("temperature_kelvin", "pressure_kbar")
    )
    held = "no pressure held" if pressure is None else f"{pressure:.2f} kbar"
    return f"{_number(temperature)} K, {held}"


def _ramp(row: Mapping[str, Any]) -> str:
    last = _targets(row, "final_")
    return f", ramped to {last}" if last != _targets(row) else ""


def _size(one: Generation) -> str:
    return f"{one.n_atoms} atom{'s' if one.n_atoms > 1 else ''}, periodic {one.periodic}"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}" if abs(value) < 1e5 else f"{value:.3g}"
