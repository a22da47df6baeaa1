"""What the report of a campaign's newest iteration costs, node by node.

Run: python benchmarks/report.py [PROJECT] [--env demo] [--forget]

PROJECT is a project's folder with a campaign in it, by default this one. ``--forget`` removes kept
descriptors first: the time of a first report of all structures.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from kedro.framework.startup import bootstrap_project
from kedro.runner import SequentialRunner

from potwright.campaign import Campaign, report

HERE = Path(__file__).parents[1]


class TimedRunner(SequentialRunner):
    """Runs node after node, and prints what each took."""

    def run(self, pipeline: Any, catalog: Any, *_: Any, **__: Any) -> None:
        for node in pipeline.nodes:
            wall, processor = time.perf_counter(), time.process_time()
            made = node.run({name: catalog[name].load() for name in node.inputs})
            for name, value in made.items():
                catalog[name].save(value)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            print(f"{node.name:24s} {wall:8.2f} s {processor:8.2f} s of this process")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, nargs="?", default=HERE)
    parser.add_argument("--env", default="demo")
    parser.add_argument("--forget", action="store_true")
    given = parser.parse_args()
    project = given.project.resolve()
    bootstrap_project(project)
    campaign = Campaign(project, given.env)
    if given.forget:
        place = campaign.catalog["reporting_workspace"]["filepath"]
        shutil.rmtree(project / place, ignore_errors=True)
    report.SequentialRunner = TimedRunner  # type: ignore[misc]
    start = time.perf_counter()
    page = report.write_report(campaign)
    print(f"{'all':24s} {time.perf_counter() - start:8.2f} s, {page.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
