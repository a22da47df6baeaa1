"""The page: complete in itself, right about what is missing, and drawn by a browser."""

from __future__ import annotations

import html
import json
import re
import subprocess

import pytest

from potwright.pes import PESData
from potwright.pipelines.reporting import counts, style
from potwright.pipelines.reporting.learning_curves import draw_learning_curves
from potwright.pipelines.reporting.page import SECTIONS, write_page
from potwright.pipelines.reporting.parameters import ReportingParameters

WIDTHS = {"desktop": 1280, "phone": 390}


def page_of(history) -> str:
    figures = {name: style.nothing(f"No {name} yet.") for name in SECTIONS}
    figures |= {
        "learning_curves": draw_learning_curves(history),
        "selection": counts.draw_selection(history, PESData.empty()),
        "labelling": counts.draw_labelling(history),
        "trajectories": counts.draw_trajectories(history),
        "timings": counts.draw_timings(history),
    }
    return write_page(history, figures)


def text_of(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_the_verdict_is_on_top_and_provenance_at_the_bottom(reports):
    text = text_of(page_of([reports(1), reports(2)]))
    assert "Campaign mine, iteration 2 Continue: 5 structures to label. Not converged:" in text
    assert "forces are not &lt;trusted&gt;" in text  # no markup of others
    assert text.index("Continue: 5") < text.index("Errors over iterations")
    provenance = text[text.index("Provenance") :]
    assert all(part in provenance for part in ("2026-01-02T00.00.00.000Z", "ase 3.29", "seed 7"))
    assert "12 labels computed in all iterations" in text
    assert "not_converged 1 no convergence" in text


def test_nothing_is_fetched_and_a_page_of_many_points_is_small(reports, all_figures):
    """As many points in each panel of parity as base settings draw, of either set."""
    history = [reports(number) for number in range(1, 11)]
    figures = all_figures(history, 3000)
    most = ReportingParameters().max_points
    drawn = [t for t in figures["parity"]["data"] if t["type"] == "scatter" and t.get("name")]
    assert sum(len(trace["x"]) for trace in drawn) == 2 * 3 * most
    page = write_page(history, figures)
    assert len(page.encode()) < 5_000_000
    markup = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", markup)
    assert not re.search(r"@import|url\(", markup)


def test_data_cannot_end_the_script_that_holds_them(reports):
    figure = style.nothing("x") | {"data": [{"type": "bar", "name": "</script><b>"}]}
    figure["layout"]["meta"] = {}
    page = write_page([reports(1)], {"timings": figure})
    assert "</script><b>" not in page


def test_a_failed_iteration_says_why_and_what_is_missing(reports):
    empty = {"metrics": reports(1).metrics.iloc[:0], "verdict": {}, "calibration": {}}
    record = {"status": "failed", "error": "no engine\nat all", "saved": {"labels": "v"}}
    text = text_of(page_of([reports(1, record=record, **empty)]))
    assert "Iteration 1 failed; its report shows what was finished." in text
    assert "no engine" in text
    assert "Finished so far: labels." in text
    assert "Of this iteration there are no errors, no selection yet." in text
    missing = re.search(r"Missing in this report: (.*?)\.", text)
    assert missing is not None
    assert "Errors over iterations" in missing[1]
    assert "Parity" in missing[1]
    assert "Labels" not in missing[1]


def test_an_iteration_that_runs_says_where_it_is(reports):
    record = {"status": "running", "running": "train_committee"}
    text = text_of(page_of([reports(1), reports(2, record=record, verdict={})]))
    assert "Iteration 2 is running in train committee, or was interrupted there." in text


def test_there_may_be_no_iteration_at_all():
    assert "No iteration has begun." in text_of(page_of([]))


PROBE = """
<script>
new MutationObserver(() => {
  const figures = [...document.querySelectorAll(".figure")];
  const drawn = figures.filter(div => div.querySelector(".main-svg"));
  parent.postMessage({
    drawn: drawn.map(div => div.dataset.figure),
    beyond: drawn.filter(div => div.scrollWidth > div.clientWidth).length,
    width: window.innerWidth,
    needed: document.documentElement.scrollWidth,
    complaint: document.getElementById("no-figures").textContent,
  }, "*");
}).observe(document.body, { attributes: true, attributeFilter: ["data-drawn"] });
</script>
"""
FRAMES = """<!DOCTYPE html>
{frames}
<pre id="seen">[]</pre>
<script>
window.onmessage = message => {{
  const list = document.getElementById("seen");
  list.textContent = JSON.stringify([...JSON.parse(list.textContent), message.data]);
}};
</script>
"""
FRAME = '<iframe src="report.html" style="width: {}px; height: 900px; border: 0"></iframe>'


@pytest.mark.slow
def test_a_browser_draws_all_figures_within_the_screen(reports, all_figures, tmp_path, program):
    """In frames, since a window of Chromium's is never narrower than 500 px."""
    history = [reports(1), reports(2)]
    page = write_page(history, all_figures(history, 60))
    (tmp_path / "report.html").write_text(page + PROBE)
    path = tmp_path / "screen.html"
    path.write_text(FRAMES.format(frames="".join(map(FRAME.format, WIDTHS.values()))))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1800,1000"]
    options += ["--virtual-time-budget=60000", "--dump-dom", path.as_uri()]
    done = subprocess.run(
        [program("chromium", "chromium-browser"), *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert ":CONSOLE" not in done.stderr, done.stderr
    shown = re.search(r'<pre id="seen">(.+?)</pre>', done.stdout)
    assert shown is not None, done.stdout
    seen = {one["width"]: one for one in json.loads(html.unescape(shown[1]))}
    assert set(seen) == set(WIDTHS.values())
    for width, screen in seen.items():
        assert not screen["complaint"]
        assert screen["drawn"] == list(SECTIONS)
        assert screen["needed"] <= width
        assert screen["beyond"] == 0
