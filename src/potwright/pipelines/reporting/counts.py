"""What each iteration selected, labelled, ran and spent, as bars over iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from potwright.iteration_reports import IterationReports
from potwright.pes import PESData
from potwright.pipelines.reporting import style

FRAMES = {
    "explored": style.GREY,
    "sane": style.SKY,
    "uncertain": style.ORANGE,
    "selected": style.BLUE,
    "audit": style.PURPLE,
}
STATUS = {
    "computed": style.BLUE,
    "from store": style.SKY,
    "failed": style.VERMILION,
    "screened": style.GREY,
}
STAGES = ("augmentation", "labelling", "training", "exploration", "evaluation")


def draw_selection(history: Sequence[IterationReports], selected: PESData) -> style.Figure:
    """How many frames were explored, uncertain and selected; why those of now were."""
    verdicts = [reports.verdict for reports in history if reports.verdict]
    if not verdicts:
        return style.nothing("No iteration has come to a selection yet.")
    figure = style.panels(1, 2, ["frames", "selected now, by reason"])
    numbers = [verdict["iteration"] for verdict in verdicts]
    for name, colour in FRAMES.items():
        _bar(figure, numbers, [verdict[name] for verdict in verdicts], name, colour)
    reasons = pd.Series([info.get("reason", "") for info in selected.info], dtype=str)
    counted = reasons.value_counts().sort_index()
    bars = {"marker": {"color": style.BLUE}, "row": 1, "col": 2}
    style.named_bars(figure, counted.index.tolist(), counted.tolist(), **bars)
    figure.update_layout(barmode="group")
    _by_iteration(figure, numbers)
    figure.update_xaxes(title_text="frames", row=1, col=2)
    return style.finished(figure)


def draw_labelling(history: Sequence[IterationReports]) -> style.Figure:
    """What became of the candidates, and what calculations cost, by origin."""
    tables = {r.number: r.labelling_report for r in history if not r.labelling_report.empty}
    if not tables:
        return style.nothing("Nothing has been labelled yet.")
    figure = style.panels(1, 2, ["candidates", "time of the calculations, s"])
    numbers = list(tables)
    for status, colour in STATUS.items():
        count = [int(t["status"].str.startswith(status).sum()) for t in tables.values()]
        _bar(figure, numbers, count, status, colour, group="candidates")
    origins = sorted(set().union(*(t["origin"] for t in tables.values())))
    for k, origin in enumerate(origins):
        seconds = [
            float(t.loc[(t["origin"] == origin) & (t["status"] != "from store"), "seconds"].sum())
            for t in tables.values()
        ]
        _bar(
            figure,
            numbers,
            style.numbers(seconds),
            origin,
            _colour(k),
            col=2,
            group="time, by origin",
        )
    figure.update_layout(barmode="stack")
    _by_iteration(figure, numbers, cols=(1, 2))
    return style.finished(figure)


def draw_trajectories(history: Sequence[IterationReports]) -> style.Figure:
    """How trajectories ended, and at which temperature and pressure those of now did."""
    tables = {r.number: _ends(r.exploration_report) for r in history}
    tables = {number: table for number, table in tables.items() if not table.empty}
    if not tables:
        return style.nothing("No trajectory has been run yet.")
    figure = style.panels(1, 2, ["trajectories", f"iteration {max(tables)}: targets, and ends"])
    ends = sorted(set().union(*(t["end"] for t in tables.values())), key=lambda e: e != "completed")
    newest = tables[max(tables)]
    for k, end in enumerate(ends):
        count = [int((table["end"] == end).sum()) for table in tables.values()]
        _bar(figure, list(tables), count, end, _colour(k))
        part = newest[newest["end"] == end]
        figure.add_scatter(
            x=style.numbers(part["temperature_kelvin"]),
            y=style.numbers(part["pressure_kbar"]),
            text=(part["formula"] + ": " + part["end_reason"]).tolist(),
            mode="markers",
            marker={"color": _colour(k), "symbol": style.SYMBOLS[k % len(style.SYMBOLS)]}
            | {"size": 10},
            name=end,
            legendgroup=end,
            showlegend=False,
            row=1,
            col=2,
        )
    figure.update_layout(barmode="stack")
    _by_iteration(figure, list(tables))
    figure.update_xaxes(title_text="temperature, K", row=1, col=2)
    figure.update_yaxes(title_text="pressure, kbar (none: constant volume)", row=1, col=2)
    return style.finished(figure)


def draw_timings(history: Sequence[IterationReports]) -> style.Figure:
    """Wall time of each stage, and of the ten slowest nodes of the newest iteration."""
    timed = [reports for reports in history if reports.record.get("nodes")]
    if not timed:
        return style.nothing("No node has been finished yet.")
    figure = style.panels(
        1, 2, ["wall time of stages, s", f"iteration {timed[-1].number}: nodes, s"]
    )
    numbers = [reports.number for reports in timed]
    for k, stage in enumerate(STAGES):
        seconds = [
            sum(n["seconds"] for n in reports.record["nodes"].values() if n["stage"] == stage)
            for reports in timed
        ]
        _bar(figure, numbers, style.numbers(seconds), stage, _colour(k))
    nodes = timed[-1].record["nodes"]
    slowest = sorted(nodes, key=lambda name: nodes[name]["seconds"])[-10:]
    style.named_bars(
        figure,
        [name.replace("_", " ") for name in slowest],
        [nodes[name]["seconds"] for name in slowest],
        marker={"color": [_colour(_place(nodes[name]["stage"])) for name in slowest]},
        row=1,
        col=2,
    )
    figure.update_layout(barmode="stack")
    _by_iteration(figure, numbers)
    return style.finished(figure)


def _ends(report: pd.DataFrame) -> pd.DataFrame:
    """The report with the kind of end: its reason without what is said of this trajectory alone."""
    if report.empty:
        return report
    reasons = report["end_reason"].fillna("unknown").astype(str)
    kind: Callable[[str], str] = lambda reason: reason.split(":")[0].split(" (")[0]  # noqa: E731
    return report.assign(end_reason=reasons, end=reasons.map(kind))


def _bar(
    figure: Any,
    numbers: list[int],
    values: list[Any],
    name: str,
    colour: str,
    *,
    col: int = 1,
    group: str = "",
) -> None:
    figure.add_bar(
        x=numbers,
        y=values,
        name=name,
        legendgroup=group or name,
        legendgrouptitle={"text": group} if group else None,
        showlegend=any(values),
        marker={"color": colour},
        row=1,
        col=col,
    )


def _by_iteration(figure: Any, numbers: list[int], cols: tuple[int, ...] = (1,)) -> None:
    for col in cols:
        figure.update_xaxes(title_text="iteration", row=1, col=col, tickformat="d")
        if len(numbers) <= 20:
            figure.update_xaxes(tickvals=numbers, row=1, col=col)


def _colour(k: int) -> str:
    return style.KINDS[k % len(style.KINDS)]


def _place(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else len(STAGES)
