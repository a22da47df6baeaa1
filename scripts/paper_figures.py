"""Pictures of what a campaign's newest report and validation show, for docs/paper_cases.md.

Run: python scripts/paper_figures.py CAMPAIGN [FIGURE …]     (FIGURE: learning_curves disagreement)

FIGURE is one of the report's (data/08_reporting/CAMPAIGN/figures), or the title of a curve of the
validation, as Kedro-Viz's menu has it ("diamond: energy"). Pictures go to docs/images/CAMPAIGN.
Needs `pip install kaleido`, and a Chrome or Chromium.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from potwright.datasets.validation_results import figure

PROJECT = Path(__file__).parents[1]
WIDTH = 1000
HEIGHT = 420


def newest(path: Path) -> Path:
    """The file of the newest version of a dataset."""
    return max(path.glob(f"*/{path.name}"))


def curve(reports: Path, title: str) -> dict[str, Any]:
    """The curve with this title, without the menu of all others."""
    found = figure(json.loads(newest(reports / "validation_results.json").read_text()))
    (menu,) = found["layout"].pop("updatemenus")
    by_title = {button["label"]: button["args"] for button in menu["buttons"]}
    if title not in by_title:
        raise SystemExit(f"no figure and no curve {title!r}; curves: {', '.join(by_title)}")
    shown, layout = by_title[title]
    pairs = zip(found["data"], shown["visible"], strict=True)
    found["data"] = [trace | {"visible": True} for trace, visible in pairs if visible]
    found["layout"] |= layout
    return found


def main() -> None:
    """Write them."""
    campaign, *names = sys.argv[1:]
    reports = PROJECT / "data" / "08_reporting" / campaign
    folder = PROJECT / "docs" / "images" / campaign
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("learning_curves", "disagreement"):
        path = reports / "figures" / f"{name}.json"
        is_ours = path.is_dir()
        shown = go.Figure(json.loads(newest(path).read_text()) if is_ours else curve(reports, name))
        target = folder / f"{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}.png"
        shown.write_image(target, width=WIDTH, height=shown.layout.height or HEIGHT)
        print(target.relative_to(PROJECT))


if __name__ == "__main__":
    main()
