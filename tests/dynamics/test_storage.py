from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from potwright.dynamics import Trajectory, read_trajectory, write_trajectory
from potwright.pes import PESData


@pytest.mark.parametrize("count", [0, 2])
def test_a_trajectory_survives_its_folder(tmp_path, count):
    frames = PESData.from_atoms([bulk("Cu"), bulk("Si")][:count])
    column = np.arange(count, dtype=float)
    pressures = np.full(count, np.nan)
    run = Trajectory(frames, column, column, pressures, column, column, "nvt", "why", 7, 0.5)
    write_trajectory(run, tmp_path / "run")
    back = read_trajectory(tmp_path / "run")
    assert back.frames.id.tolist() == frames.id.tolist()
    assert (back.ensemble, back.end_reason, back.steps, back.seconds) == ("nvt", "why", 7, 0.5)
    assert np.array_equal(back.times_fs, column) and np.isnan(back.pressures_kbar).all()
    assert back.pressures_kbar.shape == (count,)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
