"""Inputs are refused where they are clearly wrong, and suspected where they may be."""

from __future__ import annotations

import logging
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.augmentation.inputs import check_inputs, require_a_beginning
from potwright.pipelines.augmentation.parameters import AugmentationParameters

PARAMETERS = AugmentationParameters()


def test_a_campaign_that_begins_with_nothing_is_refused() -> None:
    none, some = PESData.empty(), PESData.from_atoms([bulk("Cu")])
    with pytest.raises(InputError, match=r"no structures found .*data/01_raw/structures"):
        require_a_beginning(none, none, none, PARAMETERS)
    for given in ((some, none, none), (none, some, none), (none, none, some)):
        require_a_beginning(*given, PARAMETERS)
    searched = {"random_search": {"enabled": True, "compositions": {"C": None}}}
    require_a_beginning(none, none, none, AugmentationParameters.model_validate(searched))


def test_a_cell_without_volume_is_refused_by_name() -> None:
    flat = Atoms("C", cell=np.diag([2.0, 2.0, 0.0]), pbc=True)
    pes = PESData.from_atoms([bulk("Cu"), flat], source=["copper.cif", "flat.cif"])
    with pytest.raises(InputError, match=r"flat\.cif: its cell has no volume"):
        check_inputs(pes, PARAMETERS)


def test_nan_positions_are_refused_by_name() -> None:
    broken = Atoms("C", [[np.nan, 0, 0]], cell=np.eye(3), pbc=True)
    with pytest.raises(InputError, match=r"broken\.xyz.*not finite"):
        check_inputs(PESData.from_atoms([broken], source="broken.xyz"), PARAMETERS)


def test_a_sheet_stored_as_a_crystal_is_suspected(caplog: pytest.LogCaptureFixture) -> None:
    sheet = graphene(vacuum=5)
    sheet.pbc = True
    pes = PESData.from_atoms([sheet, bulk("Cu")], source=["sheet.cif", "copper.cif"])
    with caplog.at_level(logging.WARNING):
        prepared = check_inputs(pes, PARAMETERS)
    assert len(caplog.records) == 1
    assert "sheet.cif" in caplog.text
    assert "10.0 Å along axis c" in caplog.text
    assert prepared.id.tolist() == pes.id.tolist()


@pytest.mark.shared
def test_the_reference_sheet_is_suspected(
    shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sheet = ase.io.read(shared_data / "wte2_1tprime_270.extxyz")
    with caplog.at_level(logging.WARNING):
        check_inputs(PESData.from_atoms([sheet], labels="none", source="wte2"), PARAMETERS)
    assert "wte2: periodic along all axes" in caplog.text


def test_without_vacuum_a_molecule_needs_a_cell() -> None:
    water = PESData.from_atoms([molecule("H2O")], source="water.xyz")
    assert check_inputs(water, PARAMETERS) is water
    off = AugmentationParameters.model_validate({"vacuum": {"enabled": False}})
    with pytest.raises(InputError, match=r"water\.xyz: its cell has no vector along a, b, c"):
        check_inputs(water, off)
