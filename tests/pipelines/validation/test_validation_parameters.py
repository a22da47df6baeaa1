"""Parameters of validation: what cannot be tested is refused before anything is opened."""

from __future__ import annotations

from typing import Any

import pytest

from potwright.errors import InputError
from potwright.pipelines.validation.parameters import ValidationParameters

DISTANCES = "at least four different distances of layers, all above 0 Å"
ON = {"enabled": True}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"potentials": {}},
            "potentials: name what is tested",
        ),
        ({"melt_quench": {"species": {"C": 0}}}, r"melt_quench\.species\.C = 0: .* equal to 1"),
        ({"melt_quench": ON}, "species: there are none; name atoms of each element"),
        ({"interlayer": {"distances_angstrom": []}}, DISTANCES),
        ({"interlayer": {"distances_angstrom": [-1.0, 3.0, 4.0, 5.0]}}, DISTANCES),
        ({"interlayer": {"distances_angstrom": [3.0, 3.0, 4.0, 5.0]}}, DISTANCES),
        ({"equation_of_state": ON}, "equation_of_state.prototypes: there are none"),
        ({"elastic": ON}, "elastic.prototypes: there are none"),
        ({"phonons": ON}, "phonons.prototypes: there are none"),
        ({"interlayer": ON}, "interlayer.prototypes: there are none"),
        ({"defects": ON}, "defects.hosts: there are none"),
        ({"defects": {"hosts": [{"prototype": "a", "defects": []}]}}, "at least 1 item"),
        ({"alloys": ON}, "phases: name two"),
    ],
)
def test_tests_that_have_nothing_to_test_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ValidationParameters.model_validate(given)


def test_distances_come_in_order() -> None:
    given = {"interlayer": {"distances_angstrom": [5.0, 3.0, 4.0, 3.5]}}
    found = ValidationParameters.model_validate(given).interlayer.distances_angstrom
    assert found == (3.0, 3.5, 4.0, 5.0)
