"""A line of ancestors ends at the input, at what nobody holds, and never goes round in circles."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ase.build import bulk

from potwright.errors import InputError
from potwright.lineage.finding import INPUTS, Finder
from potwright.lineage.history import _ancestry
from potwright.pes import PESData


def copper(a: float, **columns) -> PESData:
    return PESData.from_atoms([bulk("Cu", a=a)], **columns)


INPUT = copper(3.6, origin="initial", source="cu.xyz")
STRAINED = copper(3.7, origin="strain", parent=INPUT.id[0], source="cu.xyz").replace(
    info=[{"copy": 1, "deformation": [1.02]}]
)
FRAME = copper(3.8, origin="md", parent=STRAINED.id[0], source="cu.xyz").replace(
    info=[{"time_fs": 5.0, "reason": "audit"}]
)


def finder(*datasets) -> Finder:
    found = Finder(SimpleNamespace(campaign=SimpleNamespace(name="tiny")))
    vars(found)["_datasets"] = list(datasets)
    return found


WHOLE = finder(
    ("explored_structures", 1, FRAME), ("augmented_structures", 1, STRAINED), (INPUTS, 0, INPUT)
)


def test_each_step_says_what_was_done_to_the_parent():
    line = _ancestry(WHOLE, str(FRAME.id[0]))
    assert [one.origin for one in line] == ["md", "strain", "initial"]
    assert [one.made_by for one in line] == [{}, {"copy": 1, "deformation": [1.02]}, {}]
    assert line[0].held_in == ["explored_structures of iteration 1"]
    assert line[2].held_in == ["initial_structures"]


def test_an_ancestor_that_nobody_holds_ends_the_line_with_its_id():
    lost = finder(("augmented_structures", 1, STRAINED))
    *_, last = _ancestry(lost, str(STRAINED.id[0]))
    assert last.id == INPUT.id[0] and last.formula == "" and last.held_in == []


def test_parents_in_a_circle_do_not_go_on_for_ever():
    circle = INPUT.replace(parent=[STRAINED.id[0]])
    line = _ancestry(finder(("a", 1, STRAINED), ("b", 1, circle)), str(STRAINED.id[0]))
    assert [one.id for one in line] == [STRAINED.id[0], INPUT.id[0]]


def test_children_are_counted_once_however_many_datasets_hold_them():
    twice = finder(("explored_structures", 1, FRAME), ("explored_structures", 1, FRAME))
    assert twice.children(str(STRAINED.id[0])) == [("md", 1, 1)]


@pytest.mark.parametrize(("beginning", "words"), [("", "no structure"), ("x", "no structure")])
def test_an_id_that_nothing_has_is_refused(beginning, words):
    with pytest.raises(InputError, match=words):
        WHOLE.id_of(beginning)


def test_a_beginning_must_be_of_one_structure():
    ids = [str(pes.id[0]) for pes in (INPUT, STRAINED, FRAME)]
    for id in ids:
        assert WHOLE.id_of(id.upper()) == id
    pes = PESData.concatenate([copper(3.0 + i / 100) for i in range(17)])
    firsts = [str(id)[0] for id in pes.id]
    shared = max(firsts, key=firsts.count)  # of 17 ids two begin alike
    with pytest.raises(InputError, match=f"begins with '{shared}': .*; give more digits"):
        finder(("augmented_structures", 1, pes)).id_of(shared)
