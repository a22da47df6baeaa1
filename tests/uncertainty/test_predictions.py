from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from potwright.errors import InputError
from potwright.uncertainty import Predictions

FIELDS = ("id", "offsets", "energy", "forces", "stress")


def some_predictions(names: str = "abc", members: int = 2, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    counts = [ord(name) % 3 + 1 for name in names]
    atoms = sum(counts)
    stress = rng.normal(size=(members, len(names), 6))
    stress[:, 0] = np.nan
    return Predictions(
        id=np.array([name * 32 for name in names]),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        energy=rng.normal(size=(members, len(names))),
        forces=rng.normal(size=(members, atoms, 3)),
        stress=stress,
    )


def assert_same(one: Predictions, other: Predictions) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("predictions", [some_predictions(), Predictions.empty(members=3)])
def test_a_file_gives_back_exactly_what_was_written(
    predictions: Predictions, tmp_path: Path
) -> None:
    predictions.write(tmp_path / "deep" / "predictions.h5")
    assert_same(Predictions.read(tmp_path / "deep" / "predictions.h5"), predictions)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["predictions.h5"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "predictions.h5"
    some_predictions().write(path)

    def full_disk(self: Path, target: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        some_predictions(seed=1).write(path)
    assert_same(Predictions.read(path), some_predictions())
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.h5"]


def test_selecting_follows_the_order_asked_for_and_keeps_each_structure_whole() -> None:
    predictions = some_predictions()
    chosen = predictions.select(predictions.id[[2, 0]])
    third, first = predictions.forces[:, predictions.offsets[2] :], predictions.forces[:, :2]
    assert chosen.id.tolist() == ["c" * 32, "a" * 32]
    np.testing.assert_array_equal(chosen.forces, np.concatenate([third, first], axis=1))
    np.testing.assert_array_equal(chosen.energy, predictions.energy[:, [2, 0]])


def test_an_unknown_id_is_named() -> None:
    with pytest.raises(InputError, match="zzz"):
        some_predictions().select(["zzz"])


def test_concatenating_the_pieces_gives_the_whole() -> None:
    whole = some_predictions()
    pieces = [whole.take(np.array([0])), Predictions.empty(), whole.take(np.array([1, 2]))]
    assert_same(Predictions.concatenate(pieces), whole)
    assert len(Predictions.concatenate([])) == 0


def test_committees_of_different_sizes_do_not_mix() -> None:
    with pytest.raises(InputError, match=r"\[2, 3\] members"):
        Predictions.concatenate([some_predictions("a", 2), some_predictions("b", 3)])


def test_only_structures_with_finite_energies_and_forces_of_all_members_are_finite() -> None:
    good = some_predictions()
    energy, forces = good.energy.copy(), good.forces.copy()
    energy[1, 0] = np.nan
    forces[0, good.offsets[2], 1] = np.inf
    broken = Predictions(good.id, good.offsets, energy, forces, good.stress)
    assert good.finite.all()  # although the first has no stress
    assert broken.finite.tolist() == [False, True, False]


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    good = some_predictions()
    with pytest.raises(InputError, match=r"forces has shape"):
        Predictions(good.id, good.offsets, good.energy, good.forces[:, 1:], good.stress)


def test_another_kind_of_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.h5").write_text("not HDF5")
    with pytest.raises(InputError, match=r"notes\.h5"):
        Predictions.read(tmp_path / "notes.h5")
    with pytest.raises(InputError, match=r"absent\.h5"):
        Predictions.read(tmp_path / "absent.h5")
