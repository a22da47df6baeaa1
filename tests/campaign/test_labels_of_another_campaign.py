"""A campaign that begins with the labels of another, as the paper's fine-tuned model does."""

from __future__ import annotations

import shutil

import numpy as np
import yaml

CATALOG = {
    "initial_labels": {
        "type": "potwright.datasets.PESDataset",
        "filepath": "data/03_primary/tiny/labelled_structures.h5",
        "versioned": True,
    },
    "initial_structures": {
        "type": "potwright.datasets.StructuresDataset",
        "filepath": "data/01_raw/none",
        "optional": True,
    },
}


def second_campaign(first):
    """The settings of the first under another name, on its labels alone."""
    conf = first.folder / "conf"
    shutil.copytree(conf / "tiny", conf / "second")
    (conf / "second" / "globals.yml").write_text(yaml.safe_dump({"campaign": "second"}))
    (conf / "second" / "catalog.yml").write_text(yaml.safe_dump(CATALOG))
    return type(first)(first.folder, "second")


def test_it_has_the_same_labels_and_split_and_buys_nothing(finished_copy):
    newest = finished_copy.versions("labelled_structures.h5")[-1]
    before = finished_copy.structures("labelled_structures.h5", newest)
    bought = finished_copy.calculations
    second = second_campaign(finished_copy)
    second.succeed("run", "--pipelines", "augmentation,labelling")
    assert second.calculations == bought
    (version,) = second.versions("labels.h5")
    taken = second.structures("labels.h5", version)
    assert np.array_equal(taken.id, before.id)
    assert np.array_equal(taken.split, before.split)
    assert np.array_equal(taken.group, before.group)
    assert np.array_equal(taken.energy, before.energy)
    assert (taken.iteration == 0).all()  # trajectories may start from them


def test_without_the_other_campaign_it_says_what_it_misses(project):
    status, output = second_campaign(project).kedro("campaign", "plan")
    assert status == 1
    assert "initial_labels: " in output
    assert "data/03_primary/tiny/labelled_structures.h5" in output
    assert "Traceback" not in output
