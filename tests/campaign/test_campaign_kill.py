"""SIGKILL at any moment, then the same command again: as if nothing had happened."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from potwright.pipeline_registry import register_pipelines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUN = ("campaign", "run")
SERIAL = {"type": "serial"}
A_PROCESS = {"type": "local", "workers": 1}  # which outlives its parent for a moment


@dataclass(frozen=True)
class Story:
    """What happened to a campaign that was killed again and again."""

    project: Any
    killed_before: list[str]
    before_selection: Any  # a copy of the project
    calculations_between_kills: int
    members_at_kill: dict[str, int]
    trajectories_at_kill: dict[str, int]


def kill_before_every_node(project, folder):
    """Kill the first iteration before each of its nodes; which ones, and a copy at ``select``."""
    orders = project.folder / "kill_before.txt"
    remaining = {node.name for node in register_pipelines()["__default__"].nodes}
    orders.write_text("\n".join(remaining))
    killed_before, copy = [], None
    while remaining:
        status, output = project.kedro(*RUN)
        assert status == -signal.SIGKILL, output
        project.open_everything()
        (name,) = remaining - set(orders.read_text().split())
        killed_before.append(name)
        remaining.remove(name)
        if name == "select":
            copy = project.copy(folder / "before_selection")
    return killed_before, copy


@pytest.fixture(scope="module")
def story(make, tmp_path_factory) -> Story:
    """Killed before every node of the first iteration, and in the middle of labelling, training
    and exploration in the second."""
    folder = tmp_path_factory.mktemp("killed")
    project = make(folder / "project")
    killed_before, copy = kill_before_every_node(project, folder)
    calculations = project.calculations

    project.kill_when(lambda: project.calculations >= calculations + 2, *RUN)
    project.open_everything()

    project.configure({"training": {"executor": A_PROCESS}})
    members = len(project.members())
    project.kill_when(lambda: len(project.members()) > members, *RUN, only_parent=True)
    project.open_everything()
    members_at_kill = project.members()

    project.configure({"training": {"executor": SERIAL}})
    trajectories = len(project.trajectories())
    project.kill_when(lambda: len(project.trajectories()) > trajectories, *RUN)
    project.open_everything()
    trajectories_at_kill = project.trajectories()

    project.succeed(*RUN)
    return Story(project, killed_before, copy, calculations, members_at_kill, trajectories_at_kill)


def test_every_boundary_between_nodes_was_a_place_to_die(story):
    nodes = [node.name for node in register_pipelines()["__default__"].nodes]
    assert sorted(story.killed_before) == sorted(nodes)


def test_the_campaign_completes_in_two_iterations_with_one_version_each(story):
    first, second = story.project.records()
    assert [first["iteration"], second["iteration"]] == [1, 2]
    assert [first["status"], second["status"]] == ["completed", "completed"]
    assert second["parent"] == first["run_id"]
    for name in ("labels.h5", "committee", "explored_structures.h5", "verdict.json"):
        assert story.project.versions(name) == [first["run_id"], second["run_id"]]
    story.project.open_everything()


def test_no_label_that_the_store_had_is_computed_again(story):
    """Kills between nodes cost nothing; the one in the middle at most what was in flight."""
    first, second = (record["run_id"] for record in story.project.records())
    labels = [story.project.structures("labels.h5", version) for version in (first, second)]
    in_flight = 2  # one that is computed, one whose result is not committed yet
    assert story.calculations_between_kills == len(labels[0])
    assert 0 <= story.project.calculations - len(labels[0]) - len(labels[1]) <= in_flight


def test_no_structure_appears_twice(story):
    for record in story.project.records():
        labelled = story.project.structures("labelled_structures.h5", record["run_id"])
        assert len(set(labelled.id)) == len(labelled)


def test_finished_members_and_trajectories_are_kept(story):
    """They are counted, too: the kills came when something was finished, but not everything."""
    members, trajectories = story.project.members(), story.project.trajectories()
    assert len(story.members_at_kill) < len(members) == 2 * 2
    assert len(story.trajectories_at_kill) < len(trajectories) == 2 * 3
    assert story.members_at_kill.items() <= members.items()
    assert story.trajectories_at_kill.items() <= trajectories.items()


def test_the_data_are_those_of_a_campaign_that_nobody_disturbed(story, finished):
    """Two projects, one seed: same augmented structures, splits, labels, frames, selection."""
    for mine, theirs in zip(story.project.records(), finished.records(), strict=True):
        pairs = {
            name: (
                story.project.structures(f"{name}.h5", mine["run_id"]),
                finished.structures(f"{name}.h5", theirs["run_id"]),
            )
            for name in (
                *(["augmented_structures"] if mine["iteration"] == 1 else []),
                "labels",
                "labelled_structures",
                "explored_structures",
                "selected_structures",
            )
        }
        for name, (one, other) in pairs.items():
            assert one.id.tolist() == other.id.tolist(), name
            assert one.split.tolist() == other.split.tolist(), name
            np.testing.assert_array_equal(one.energy, other.energy, name)


def test_an_empty_selection_ends_the_campaign_cleanly(story):
    """Resumed before ``select`` with nothing to be selected, which the user is told of."""
    project = story.before_selection
    (project.folder / "kill_before.txt").unlink()
    nothing = {"selection": {"max_selected": 0}, "audit": {"fraction": 0.0, "minimum": 0}}
    project.configure({"evaluation": nothing})
    output = project.succeed(*RUN)
    (record,) = project.records()
    verdict = project.document("verdict.json", record["run_id"])
    assert verdict["verdict"] == "nothing to label, not verified"
    assert (
        verdict["selected"]
        == len(project.structures("selected_structures.h5", record["run_id"]))
        == 0
    )
    assert "Nothing to label, and not verified" in output
    assert "evaluation.selection.max_selected changed from 6 to 0" in output.replace("\n", " ")
