"""One iteration on one page of HTML that needs nothing but itself.

Plotly's library is inlined once, compressed: a browser unpacks it in a moment, and the page stays
at two megabytes. Text and tables can be read without it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from potwright.iteration_reports import IterationReports
from potwright.pipelines.reporting import summary
from potwright.pipelines.reporting.style import Figure

TEMPLATE = "page.html.jinja"
SECTIONS = {
    "learning_curves": (
        "Errors over iterations",
        "Root mean square errors: mean over the committee's members, with their standard deviation "
        "as bars. The dashed line is the error that is tolerated. The first test set is the only "
        "one that stays the same from iteration to iteration.",
    ),
    "parity": (
        "Parity, and distribution of errors",
        "The committee mean of this iteration against the labels. The outermost bars of a "
        "histogram hold all that lies beyond.",
    ),
    "disagreement": (
        "Disagreement against error",
        "Structures that no member was trained on. The solid line is the calibration D = a·ε, "
        "dashed lines are the tolerated error and the threshold on D that follows from it. The "
        "upper row rises even where D knows nothing, since ε² = D² + b²; believe D as far as it "
        "follows b, the error of the committee mean, in the lower row. TPR and PPV in the table "
        "are those of the threshold that was in force when the audit sample was drawn.",
    ),
    "threshold_rates": (
        "What thresholds find and miss",
        "TPR: the share of badly predicted structures that a threshold finds. PPV: the share of "
        "those found that are badly predicted. The cross is the calibrated threshold.",
    ),
    "structures": (
        "Structures",
        "The newest labelled structure of each origin, older iterations first, with the edges of "
        "the cell along which it is periodic.",
    ),
    "descriptor_map": (
        "Map of the data, as the potential sees it",
        "Mean descriptor of the atoms of each structure, of the committee's first member, in two "
        "dimensions by principal components and by t-SNE. In t-SNE only neighbourhoods mean "
        "something, not distances.",
    ),
    "sorep_map": (
        "Map of the data by an electronic descriptor",
        "The kinetic SOREP, which no training has shaped: the density of states of the "
        "kinetic-energy operator per atom.",
    ),
    "selection": ("Selection", "Frames of molecular dynamics, and what is labelled next."),
    "labelling": ("Labels", "What became of the candidates, and what calculations cost."),
    "trajectories": ("Trajectories", "How molecular dynamics ended."),
    "timings": ("Time", "Wall time of stages and of the slowest nodes."),
}


def write_page(history: Sequence[IterationReports], figures: Mapping[str, Figure]) -> str:
    """The page of the newest iteration of ``history``.

    Parameters
    ----------
    history
        The reports of all iterations, oldest first; may be empty.
    figures
        By section; those that show nothing say why in ``layout.meta.missing``.
    """
    from jinja2 import Environment

    template = files(__package__).joinpath(TEMPLATE).read_text()
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    sections = [_section(name, figures[name]) for name in SECTIONS if name in figures]
    return environment.from_string(template).render(
        summary=summary.summarise(history),
        sections=sections,
        missing=[s for s in sections if s["missing"]],
        figures=_as_script({n: f for n, f in figures.items() if not _missing(f)}),
        library=_library(),
    )


def _section(name: str, figure: Figure) -> dict[str, Any]:
    title, text = SECTIONS[name]
    remark = (figure["layout"].get("meta") or {}).get("remark", "")
    height = figure["layout"].get("height", 400)
    common = {"name": name, "title": title, "text": text, "remark": remark, "height": height}
    return common | {"missing": _missing(figure)}


def _missing(figure: Figure) -> str:
    return (figure["layout"].get("meta") or {}).get("missing", "")


def _as_script(figures: Mapping[str, Figure]) -> str:
    """JSON that may stand in a page: nothing in it ends a script."""
    return json.dumps(figures, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@lru_cache
def _library() -> str:
    """Plotly's library for browsers, compressed, in letters."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
