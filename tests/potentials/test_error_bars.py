"""What a calibration report becomes in the hands of a user."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.errors import InputError
from potwright.potentials.calculator import CommitteeCalculator
from potwright.potentials.error_bars import UncertaintyWarning, error_bars, read_report
from potwright.potentials.protocol import MemberValues

MEMBERS = 4


def entry(**values: Any) -> dict[str, Any]:
    good = {"trusted": True, "informative": True, "reason": "trusted: rank correlation 0.8"}
    linear = {"method": "linear", "factor": 2.0, "level": None, "c": 2.0}
    return good | linear | {"factor_per_atom": 3.0} | values


def report(**values: Any) -> dict[str, Any]:
    """All three properties alike."""
    properties = {name: entry(**values) for name in ("energy", "forces", "stress")}
    return {"iteration": 1, "members": MEMBERS, "properties": properties}


class Known:
    """Members whose predictions are random numbers."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def __call__(self, structures: list[Atoms]) -> MemberValues:
        rng = np.random.default_rng(self.seed)
        atoms = sum(map(len, structures))
        return MemberValues(
            rng.normal(size=(MEMBERS, len(structures))),
            rng.normal(size=(MEMBERS, atoms, 3)),
            rng.normal(size=(MEMBERS, len(structures), 6)),
        )


def results(given: dict[str, Any], member: int | None = None, seed: int = 0) -> dict[str, Any]:
    atoms = bulk("Cu", cubic=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UncertaintyWarning)
        atoms.calc = CommitteeCalculator(Known(seed), error_bars(given, MEMBERS), member)
    atoms.get_forces()
    return dict(atoms.calc.results)


@pytest.mark.parametrize("name", ["energy", "forces", "stress"])
def test_the_error_bar_of_the_mean_is_the_factor_times_the_disagreement(name: str) -> None:
    found = results(report())
    factor = 3.0 if name == "forces" else 2.0
    np.testing.assert_allclose(
        found[f"{name}_uncertainty"], factor * found[f"{name}_disagreement"], rtol=1e-12
    )


@pytest.mark.parametrize("name", ["energy", "forces", "stress"])
def test_mean_square_error_bars_of_members_average_to_that_of_the_mean_and_the_spread(
    name: str,
) -> None:
    """As ε² = D² + b² has it."""
    mean = results(report())
    bars = [results(report(), member)[f"{name}_uncertainty"] for member in range(MEMBERS)]
    expected = mean[f"{name}_uncertainty"] ** 2 + mean[f"{name}_disagreement"] ** 2
    np.testing.assert_allclose(np.mean(np.square(bars), axis=0), expected, rtol=1e-9)


def test_a_bound_on_the_mean_becomes_a_bound_on_a_member_wherever_the_truth_lies() -> None:
    conformal = report(method="conformal", level=0.9)
    mean, one = results(conformal), results(conformal, member=2)
    rng = np.random.default_rng(1)
    for _ in range(50):  # truths that lie just within the bound on the mean, in any direction
        direction = rng.normal(size=mean["forces"].shape)
        direction /= np.sqrt((direction**2).mean(axis=1, keepdims=True))
        truth = mean["forces"] + direction * mean["forces_uncertainty"][:, None]
        error = np.sqrt(((one["forces"] - truth) ** 2).mean(axis=1))
        assert (error <= one["forces_uncertainty"] * (1 + 1e-12)).all()


def test_one_member_returns_its_own_values() -> None:
    own = Known()([bulk("Cu", cubic=True)])
    found = results(report(), member=1)
    assert found["energy"] == own.energy[1, 0] == found["free_energy"]
    np.testing.assert_array_equal(found["forces"], own.forces[1])
    np.testing.assert_array_equal(found["stress"], own.stress[1, 0])
    np.testing.assert_array_equal(found["forces_disagreement"], results({})["forces_disagreement"])


def test_the_meaning_says_what_an_error_bar_is() -> None:
    linear = error_bars(report(), MEMBERS).meaning
    assert "2 times the disagreement" in linear["energy"]
    assert "root mean square" in linear["energy"] and "eV/atom" in linear["energy"]
    assert "3 times the disagreement" in linear["forces"] and "per atom" in linear["forces"]
    conformal = error_bars(report(method="conformal", level=0.9), MEMBERS).meaning
    assert "probability 0.9" in conformal["stress"]
    said = error_bars(report(meaning="The report's own words."), MEMBERS).meaning
    assert said["stress"] == "The report's own words (eV/Å³)"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"trusted": False, "reason": "not trusted: 7 independent groups"}, "7 independent groups"),
        ({"informative": False}, "not informative"),
        ({"factor": None, "factor_per_atom": None, "reason": "uncalibrated: 2"}, "uncalibrated: 2"),
    ],
)
def test_what_should_not_be_believed_is_said_once_and_kept(
    values: dict[str, Any], words: str
) -> None:
    bars = error_bars(report(**values), MEMBERS)
    with pytest.warns(UncertaintyWarning, match=words) as caught:
        calculator = CommitteeCalculator(Known(), bars)
    atoms = bulk("Cu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shift in (0.0, 0.1):
            atoms.positions += shift
            atoms.calc = calculator
            atoms.get_forces()
    assert len(caught) == 1
    assert all(words in calculator.meaning[name] for name in ("energy", "forces", "stress"))
    assert ("energy_uncertainty" in calculator.results) == (values.get("factor", 2.0) is not None)


def test_what_may_be_believed_is_believed_in_silence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CommitteeCalculator(Known(), error_bars(report(), MEMBERS))
        CommitteeCalculator(Known(), error_bars({}, MEMBERS))


def test_without_a_calibration_the_meaning_says_so() -> None:
    found = results({})
    assert not [name for name in found if name.endswith("uncertainty")]
    assert "without a calibration" in error_bars(None, MEMBERS).meaning["forces"]


def test_a_report_of_before_methods_could_be_chosen_still_counts() -> None:
    old = report()
    for one in old["properties"].values():
        for key in ("factor", "factor_per_atom", "method", "level"):
            del one[key]
        one |= {"c": 5.0, "c_per_atom": 7.0}
    found = results(old)
    assert found["energy_uncertainty"] == pytest.approx(5 * found["energy_disagreement"])
    np.testing.assert_allclose(found["forces_uncertainty"], 7 * found["forces_disagreement"])


def test_the_report_of_another_committee_is_refused() -> None:
    with pytest.raises(InputError, match=r"committee of 4 members, this one has 3"):
        error_bars(report(), 3)


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the calibration report"):
        error_bars({"verdict": "continue"}, MEMBERS)
    with pytest.raises(InputError, match=r"absent\.json: not a calibration report"):
        read_report(tmp_path / "absent.json")
    (tmp_path / "notes.json").write_text("not JSON")
    with pytest.raises(InputError, match=r"notes\.json: not a calibration report"):
        read_report(tmp_path / "notes.json")
