"""The page: complete in itself, right about what is missing, and drawn by a browser."""

from __future__ import annotations

import re
import subprocess

import pytest

from potwright.pes import PESData
from potwright.pipelines.reporting import counts, style
from potwright.pipelines.reporting.learning_curves import draw_learning_curves
from potwright.pipelines.reporting.page import SECTIONS, write_page

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


def test_nothing_is_fetched_and_the_page_is_small(reports):
    page = page_of([reports(1)])
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


@pytest.mark.slow
@pytest.mark.parametrize("screen", WIDTHS)
def test_a_browser_draws_all_figures_without_complaint(reports, screen, tmp_path, program):
    path = tmp_path / "report.html"
    path.write_text(page_of([reports(1), reports(2)]))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={WIDTHS[screen]},900"]
    options += ["--virtual-time-budget=60000", "--dump-dom", path.as_uri()]
    done = subprocess.run(
        [program("chromium", "chromium-browser"), *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert 'data-drawn="yes"' in done.stdout
    assert done.stdout.count('<svg class="main-svg"') >= 5
    assert ":CONSOLE" not in done.stderr, done.stderr
