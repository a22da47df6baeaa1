from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from potwright.errors import InputError
from potwright.potentials import Committee
from potwright.potentials.files import kind_of_model, open_potentials


@pytest.mark.slow
def test_a_file_tells_what_it_is(committee: Committee, tmp_path: Path) -> None:
    model = committee.members[0].path
    assert kind_of_model(model) == "mace"
    assert kind_of_model(model.with_name("member_compiled.model")) == "mace, compiled"
    (tmp_path / "text").write_text("no model")
    assert kind_of_model(tmp_path / "text") == "unknown"


@pytest.mark.slow
def test_potentials_are_opened_by_folder_and_by_pattern(
    committee: Committee, tmp_path: Path
) -> None:
    for number, member in enumerate(committee.members):
        shutil.copy(member.path, tmp_path / f"m{number}.model")
    (tmp_path / "README").write_text("in a folder other things may lie, too")
    for place in (tmp_path, tmp_path / "*.model"):
        found = open_potentials(place)
        assert [m.path.name for m in found.members] == ["m0.model", "m1.model"]
        assert found.record["backend"] == "mace"
    committee.save(tmp_path / "committee")
    assert len(open_potentials(tmp_path / "committee")) == 2


@pytest.mark.slow
def test_what_is_no_potential_is_refused(committee: Committee, tmp_path: Path) -> None:
    compiled = committee.members[0].path.with_name("member_compiled.model")
    with pytest.raises(InputError, match=r"is a compiled MACE model, which can only be run"):
        open_potentials(compiled)
    with pytest.raises(InputError, match=r"no potentials there; name the folder"):
        open_potentials(tmp_path / "*.model")
