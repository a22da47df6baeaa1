"""Are error bars made of disagreement right, on whole groups that no committee has seen?

Takes the committees that benchmarks/label_efficiency.py has left in its cache (random labels, at
1/8 to all of the pool), each with the fifth of the structures that was held out from it. Error bars
are fitted in two ways: on the validation set, as a campaign does (structures drawn like the
training set), and on the other held-out groups, leaving out one group after the other (what is
exchangeable with what is tested). All seeds together, for each property and method:

    coverage    how often b ≤ factor·D, with its 95 % binomial interval; a conformal bar is meant to
                cover its level, the others 68 % where errors are normal
    ρ(D, b)     Spearman's, within each seed, averaged; p: share of bootstrap samples ≤ 0
    log error   root mean square of ln(b/bar), of the bar factor·D and of one constant bar fitted by
                the same method to the same structures; p: share of samples where D is no better

The bootstrap draws whole groups.

Run: python benchmarks/calibration.py --pool FILE … [--cache DIR] [--seeds 1 2 3 4 5]
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from label_efficiency import FULL, START, Bench, bench_of, command_line

from potwright.pes import PESData
from potwright.uncertainty import (
    PROPERTIES,
    Predictions,
    conformal_factor,
    coverage,
    error_scale,
    force_uncertainty,
    likelihood_scale,
    property_uncertainties,
)
from potwright.uncertainty.evidence import force_sizes, vanishing

FRACTIONS = (START, Fraction(1, 4), Fraction(1, 2), FULL)
LEVEL = 0.9
RESAMPLES = 2000
MINIMUM_GROUPS = 3
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
METHODS: dict[str, Fit] = {
    "linear": lambda d, b, group: error_scale(d, b, group).value,
    "conformal": lambda d, b, group: conformal_factor(d, b, LEVEL, group),
    "likelihood": lambda d, b, group: likelihood_scale(d, b),
}


@dataclass(frozen=True)
class Points:
    """D and b of structures (or atoms), their groups, and the bars that were promised for them."""

    disagreement: np.ndarray
    error: np.ndarray
    group: np.ndarray

    def where(self, mask: np.ndarray) -> Points:
        return Points(self.disagreement[mask], self.error[mask], self.group[mask])


def measured(predictions: Predictions, structures: PESData) -> dict[str, Points]:
    """Of each property, and of the forces per atom; only what is finite and not zero.

    Forces that vanish by symmetry do not count: any D that vanishes with them would look wise.
    """
    found = predictions.select(structures.id)
    labels = (structures.energy, structures.forces, structures.stress)
    points = {
        name: (u.disagreement, u.mean_error, structures.group)
        for name, u in property_uncertainties(found, *labels).items()
    }
    forces = force_uncertainty(found.forces, structures.forces, structures.offsets)
    of_atom = structures.group[structures.structure_of_atom]
    points["forces per atom"] = (
        forces.disagreement_per_atom,
        forces.mean_error_per_atom,
        of_atom,
    )
    size = dict(zip(("forces", "forces per atom"), force_sizes(structures), strict=True))
    kept = {}
    for name, (d, b, group) in points.items():
        keep = np.isfinite(d) & np.isfinite(b) & (d > 0) & (b > 0)
        if name in size:
            keep &= ~vanishing(size[name], d, b)
        kept[name] = Points(d[keep], b[keep], group[keep])
    return kept


def bars(fit: Fit, known: Points | None, tested: Points) -> tuple[np.ndarray, np.ndarray]:
    """The bars factor·D and the constant ones; from other groups if nothing is ``known``."""
    bar, constant = (np.full(len(tested.error), np.nan) for _ in range(2))
    groups = np.unique(tested.group)
    for mask in [np.ones(len(bar), bool)] if known else [tested.group == g for g in groups]:
        source = known or tested.where(~mask)
        if len(np.unique(source.group)) < MINIMUM_GROUPS:
            continue
        ones = np.ones(len(source.error))
        bar[mask] = fit(source.disagreement, source.error, source.group) * tested.disagreement[mask]
        constant[mask] = fit(ones, source.error, source.group)
    return bar, constant


@dataclass(frozen=True)
class Tested:
    """Held-out points of all seeds, with their bars."""

    points: Points
    bar: np.ndarray
    constant: np.ndarray
    seed: np.ndarray

    def log_errors(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the bars and of the constant ones, for each row of weights (k, points)."""
        squares = [np.log(self.points.error / bar) ** 2 for bar in (self.bar, self.constant)]
        total = weights.sum(axis=1)
        return tuple(np.sqrt(weights @ square / total) for square in squares)  # type: ignore[return-value]

    def correlation(self, draw: np.random.Generator) -> tuple[float, float]:
        """Mean over seeds of Spearman's ρ, and the share of bootstrap samples at or below 0."""
        from potwright.uncertainty.calibration import _weighted_spearman

        values, samples = [], []
        for seed in np.unique(self.seed):
            part = self.points.where(self.seed == seed)
            d, b = part.disagreement, part.error
            values.append(_weighted_spearman(d, b, np.ones((1, len(d))))[0])
            samples.append(_weighted_spearman(d, b, resampled(part.group, draw, 300)))
        return float(np.nanmean(values)), float((np.nanmean(samples, axis=0) <= 0).mean())


def resampled(group: np.ndarray, draw: np.random.Generator, samples: int) -> np.ndarray:
    """How often each point occurs when whole groups are drawn, shape (samples, points)."""
    _, member_of = np.unique(group, return_inverse=True)
    groups = int(member_of.max()) + 1
    times = draw.multinomial(groups, np.full(groups, 1 / groups), size=samples)
    return times[:, member_of].astype(np.float32)


def rows_of(bench: Bench, seeds: list[int], fraction: Fraction) -> list[dict[str, object]]:
    """All properties and methods at one number of labels."""
    validation, held_out = {}, {}
    for seed in seeds:
        trained = bench.known("random_control", seed, fraction)
        if trained is None:
            continue
        test, order, validates = bench.sides(seed)
        bought = order[: bench.count(seed, fraction)]
        unseen = np.intersect1d(bought, validates)
        validation[seed] = measured(trained.predictions, bench.data[unseen])
        held_out[seed] = measured(trained.predictions, bench.data[np.sort(test)])
    rows: list[dict[str, object]] = []
    if not held_out:
        return rows
    draw = np.random.default_rng(0)
    for name in (*PROPERTIES, "forces per atom"):
        for source in ("validation", "other held-out groups"):
            for method, fit in METHODS.items():
                parts = []
                for seed, points in held_out.items():
                    known = validation[seed][name] if source == "validation" else None
                    bar, constant = bars(fit, known, points[name])
                    parts.append((points[name], bar, constant, np.full(len(bar), seed)))
                rows.append(
                    {"fraction": str(fraction), "property": name, "fitted on": source}
                    | {"method": method}
                    | _row(parts, draw)
                )
    return rows


def _row(
    parts: list[tuple[Points, np.ndarray, np.ndarray, np.ndarray]], draw: np.random.Generator
) -> dict[str, object]:
    points, bar, constant, seed = (list(column) for column in zip(*parts, strict=True))
    # a group held out with one seed is another sample than with the next
    group = np.concatenate(
        [[f"{s[0]} {g}" for g in p.group] for p, s in zip(points, seed, strict=True)]
    )
    joined = Points(
        np.concatenate([p.disagreement for p in points]),
        np.concatenate([p.error for p in points]),
        group,
    )
    flat = Tested(joined, *(np.concatenate(part) for part in (bar, constant, seed)))
    usable = np.isfinite(flat.bar) & np.isfinite(flat.constant)
    rho, rho_p = flat.correlation(draw)
    row: dict[str, object] = {"points": int(usable.sum()), "groups": len(np.unique(group[usable]))}
    row |= {"ρ": f"{rho:.2f} (p {rho_p:.3f})"}
    if not usable.any():
        return row | {"coverage": "too few groups to fit", "log error": "–"}
    kept = Tested(joined.where(usable), flat.bar[usable], flat.constant[usable], flat.seed[usable])
    covered = coverage(kept.points.error, kept.bar)
    ours, theirs = kept.log_errors(np.ones((1, len(kept.bar))))
    samples = kept.log_errors(resampled(kept.points.group, draw, 500))
    p = float((samples[0] >= samples[1]).mean())
    return row | {
        "coverage": f"{covered.value:.0%} ({covered.lower:.0%}–{covered.upper:.0%})",
        "log error": f"{ours[0]:.2f}, constant {theirs[0]:.2f} (p {p:.3f})",
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    bench = bench_of(given)
    rows = [row for fraction in FRACTIONS for row in rows_of(bench, given.seeds, fraction)]
    if not rows:
        parser.error("the cache holds no committee of this pool; run label_efficiency.py first")
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    table.to_csv(bench.folder / "calibration.csv", index=False)


if __name__ == "__main__":
    main()
