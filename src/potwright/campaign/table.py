"""Where a campaign stands, as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from potwright.campaign.labels import store_place
from potwright.pipeline_registry import STAGES
from potwright.urls import without_password

if TYPE_CHECKING:
    from potwright.campaign import Campaign, Iteration

NOTHING = "–"
WIDTH_OF_FILES = 120
PROPERTIES = {"energy": "mev_per_atom", "forces": "mev_per_angstrom", "stress": "mev_per_angstrom3"}
UNITS = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}


def print_campaign(campaign: Campaign) -> None:
    """Print what each iteration bought, achieved and cost, and where its files are."""
    console = wide_console()
    iterations = campaign.iterations()
    if not iterations:
        console.print(
            f"Campaign [bold]{campaign.name}[/bold] has not begun: kedro campaign run"
            f"{' --env ' + campaign.env if campaign.env else ''}"
        )
        return
    reports = [_Reports(campaign, iteration) for iteration in iterations]
    console.print(f"\nCampaign [bold]{campaign.name}[/bold]")
    tables = [_labels(reports), _failures(reports), _errors(reports), _calibration(reports)]
    for table in (*tables, _seconds(reports)):
        if table.row_count:
            console.print(table)
    _print_end(console, campaign, reports[-1])


def overview(campaign: Campaign) -> list[Table]:
    """What each iteration bought and achieved, as tables; those without rows are left out."""
    reports = [_Reports(campaign, iteration) for iteration in campaign.iterations()]
    measured = [report for report in reports if not report.metrics.empty]
    tables = [_labels(reports), _failures(reports), _errors(measured)]
    return [table for table in tables if table.row_count]


class _Reports:
    """The reports of one iteration, as far as they have been made."""

    def __init__(self, campaign: Campaign, iteration: Iteration):
        self.iteration = iteration
        self.number = str(iteration.number)
        self.labelling = self._table(campaign, "labelling_report.csv")
        self.metrics = self._table(campaign, "metrics.csv")
        self.calibration = campaign.document("calibration.json", iteration.version)
        self.verdict = campaign.document("verdict.json", iteration.version)

    def _table(self, campaign: Campaign, name: str) -> pd.DataFrame:
        path = campaign.runs.parent / name / self.iteration.version / name
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    def errors(self, name: str, which: str) -> tuple[str, str]:
        """Members' mean ± std, and the committee mean's error, of one property on one set."""
        metrics = self.metrics
        if metrics.empty:
            return NOTHING, NOTHING
        rows = metrics[(metrics["set"] == which) & (metrics["origin"] == "all")]
        if rows.empty or not rows.iloc[0]["structures"]:
            return NOTHING, NOTHING
        prefix, unit = f"rmse_{name}", PROPERTIES[name]
        row = rows.iloc[0]
        members = row[f"{prefix}_members_mean_{unit}"], row[f"{prefix}_members_std_{unit}"]
        return f"{members[0]:.1f} ± {members[1]:.1f}", f"{row[f'{prefix}_committee_{unit}']:.1f}"


def wide_console() -> Console:
    """The terminal; what goes to a file has room for tables."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, WIDTH_OF_FILES)
    return console


def plain_table(title: str, *columns: str, padding: int = 1) -> Table:
    """A table with a title, the first column to the left and the others to the right."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        padding=(0, padding),
    )
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def _labels(reports: list[_Reports]) -> Table:
    table = plain_table(
        "Labels by iteration",
        "#",
        "bought",
        "selected",
        "audit",
        "from\nstore",
        "failed",
        "screened\nout",
        "explored\nframes",
        "uncertain",
        "verdict",
        padding=0,  # ten columns fit in 80 characters
    )
    for report in reports:
        labelling, verdict = report.labelling, report.verdict
        cells = [NOTHING] * 6
        if not labelling.empty:
            bought = labelling[labelling["status"] == "computed"]
            audit = int(bought["audit"].sum())
            of_selection = 0 if report.iteration.number == 1 else len(bought) - audit
            failed = int(labelling["status"].str.startswith("failed").sum())
            stored = int((labelling["status"] == "from store").sum())
            screened = int((labelling["status"] == "screened").sum())
            cells = [str(n) for n in (len(bought), of_selection, audit, stored, failed, screened)]
        fraction = verdict.get("uncertain_fraction")
        status = verdict.get("verdict", report.iteration.status)
        explored = str(verdict.get("explored", NOTHING))
        uncertain = NOTHING if fraction is None else f"{fraction:.0%}"
        table.add_row(report.number, *cells, explored, uncertain, status)
    return table


def _failures(reports: list[_Reports]) -> Table:
    """Why labels failed; without rows if none did."""
    table = plain_table("Failed labels", "iteration", "reason", "structures", "for example")
    table.columns[-1].justify = "left"
    for report in reports:
        if report.labelling.empty:
            continue
        failed = report.labelling[report.labelling["status"].str.startswith("failed")]
        for reason, rows in failed.groupby("reason"):
            example = str(rows["message"].iloc[0]).partition("\n")[0]
            table.add_row(report.number, str(reason), str(len(rows)), escape(example))
    return table


def _errors(reports: list[_Reports]) -> Table:
    sets = {"test of first iteration": "first test set", "test": "current test set"}
    heads = [f"{UNITS[name]} {what}" for name in PROPERTIES for what in ("members", "mean")]
    table = plain_table(
        "Root mean square errors: members, and committee mean", "iteration", "on", *heads
    )
    for report in reports:
        for which, title in sets.items():
            cells = [cell for name in PROPERTIES for cell in report.errors(name, which)]
            table.add_row(report.number, title, *cells)
    return table


def _calibration(reports: list[_Reports]) -> Table:
    table = plain_table(
        "Calibration: D ≈ a·ε selects, factor·D is the error bar, ρ(D, b) says whether to trust it",
        "iteration",
        "property",
        "a",
        "factor",
        "ρ (lower bound)",
        "groups",
        "trusted",
    )
    for report in reports:
        for name, entry in report.calibration.get("properties", {}).items():
            table.add_row(
                report.number,
                name,
                _number(entry["a"]),
                _number(entry["factor"]),
                f"{_number(entry['rho'])} ({_number(entry['rho_lower_bound'])})",
                str(entry["groups"]),
                "yes" if entry["trusted"] else "no",
            )
    return table


def _seconds(reports: list[_Reports]) -> Table:
    table = plain_table("Wall time, s", "iteration", *STAGES, "all")
    for report in reports:
        nodes = report.iteration.record.get("nodes", {}).values()
        stages = [sum(n["seconds"] for n in nodes if n["stage"] == stage) for stage in STAGES]
        cells = [f"{seconds:.0f}" if seconds else NOTHING for seconds in stages]
        table.add_row(report.number, *cells, f"{sum(stages):.0f}")
    return table


def _print_end(console: Console, campaign: Campaign, last: _Reports) -> None:
    record = last.iteration.record
    if last.verdict:
        console.print(f"[bold]Verdict[/bold] {last.verdict['message']}")
    elif record.get("error"):
        console.print(f"[bold]Failed[/bold] {record['error']}")
    elif record.get("running"):
        state = f"{record['running']}, since {record['running_since']}"
        console.print(f"[bold]Running, or interrupted, in[/bold] {state}")
    for entry in last.calibration.get("properties", {}).items():
        console.print(f"  {entry[0]}: {entry[1]['reason']}", highlight=False)
    places: dict[str, Any] = {
        "labelled structures": f"data/03_primary/{campaign.name}/labelled_structures.h5",
        "committee": f"data/06_models/{campaign.name}/committee",
        "reports": f"data/08_reporting/{campaign.name}",
        "label store": without_password(store_place(campaign)),
    }
    console.print(f"\nFiles of iteration {last.number} (version {last.iteration.version}):")
    for name, place in places.items():
        console.print(f"  {name:20s} {place}", highlight=False)


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
