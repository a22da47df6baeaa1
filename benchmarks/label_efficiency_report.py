"""Tables, curves and the paired bootstrap of benchmarks/label_efficiency.py.

Errors are root mean squares of the committee mean on the held-out groups: energy per atom over
structures, forces over components of all atoms, stress over components. A comparison of two points
is the geometric mean over seeds of the ratio of their errors, both on the same held-out structures.
Its uncertainty is a bootstrap that draws seeds, and within each seed its held-out groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.uncertainty import PROPERTIES, Predictions

if TYPE_CHECKING:
    from label_efficiency import Bench, Point

UNITS = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}
RESAMPLES = 2000
SAME = 1.05
CONFIDENCE = 0.90
OURS, PAPERS = "proportional", "random"
Place = tuple[str, Fraction]


@dataclass(frozen=True)
class Squares:
    """Sums of squared errors and numbers of components of each held-out structure, (3, T)."""

    sums: np.ndarray
    counts: np.ndarray
    group: np.ndarray

    def by_group(self) -> tuple[np.ndarray, np.ndarray]:
        """The same for each group, shape (3, G)."""
        _, index = np.unique(self.group, return_inverse=True)
        return tuple(  # type: ignore[return-value]
            np.array([np.bincount(index, weights=row) for row in part])
            for part in (self.sums, self.counts)
        )


def squares(predictions: Predictions, test: PESData) -> Squares:
    """Squared errors of the committee mean, in milli-units."""
    found = predictions.select(test.id)
    energy = ((found.energy.mean(axis=0) - test.energy) / test.n_atoms)[:, None]
    forces = found.forces.mean(axis=0) - test.forces
    stress = found.stress.mean(axis=0) - test.stress
    starts = test.offsets[:-1]
    rows = [
        (np.nansum(energy**2, axis=1), np.isfinite(energy).sum(axis=1)),
        (
            np.add.reduceat(np.nansum(forces**2, axis=1), starts),
            np.add.reduceat(np.isfinite(forces).sum(axis=1), starts),
        ),
        (np.nansum(stress**2, axis=1), np.isfinite(stress).sum(axis=1)),
    ]
    sums, counts = zip(*rows, strict=True)
    return Squares(1e6 * np.array(sums), np.array(counts, dtype=float), test.group)


def ratios(
    one: dict[int, Squares], other: dict[int, Squares], resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """Ratio of errors of each property (3,), and of each bootstrap sample (resamples, 3)."""
    seeds = sorted(set(one) & set(other))
    draw = np.random.default_rng(0)
    value, samples = [], []
    for seed in seeds:
        (s1, n), (s2, _) = one[seed].by_group(), other[seed].by_group()
        value.append(0.5 * np.log(s1.sum(axis=1) / s2.sum(axis=1)))
        groups = n.shape[1]
        times = draw.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
        with np.errstate(divide="ignore", invalid="ignore"):
            samples.append(0.5 * np.log((times @ s1.T) / (times @ s2.T)))
    chosen = draw.integers(len(seeds), size=(resamples, len(seeds)))
    drawn = np.array(samples)[chosen, np.arange(resamples)[:, None]]
    return np.exp(np.mean(value, axis=0)), np.exp(np.nanmean(drawn, axis=1))


def upper(samples: np.ndarray) -> np.ndarray:
    """The upper bound of each property."""
    return np.nanquantile(samples, CONFIDENCE, axis=0)


def collect(
    bench: Bench, seeds: Sequence[int], points: Sequence[Place]
) -> dict[Place, dict[int, Squares]]:
    """Squared errors of all points that the cache holds, by place and seed."""
    found: dict[Place, dict[int, Squares]] = {}
    for rule, fraction in points:
        for seed in seeds:
            trained = bench.known(rule, seed, fraction)
            if trained is not None:
                test = bench.data[bench.sides(seed)[0]]
                found.setdefault((rule, fraction), {})[seed] = squares(trained.predictions, test)
    return found


def table(
    bench: Bench, seeds: Sequence[int], found: dict[Place, dict[int, Squares]]
) -> pd.DataFrame:
    """One row per point: labels, errors (mean ± sd over seeds), their ratio to the full pool."""
    rows = []
    full = found.get(("random_control", Fraction(1)))
    for (rule, fraction), by_seed in found.items():
        each = np.array([np.sqrt(s.sums.sum(1) / s.counts.sum(1)) for s in by_seed.values()])
        row = {
            "rule": rule,
            "fraction": str(fraction),
            "labels": round(np.mean([bench.count(seed, fraction) for seed in by_seed])),
            "seeds": len(by_seed),
            "uncertain": _uncertain(bench, rule, fraction, by_seed),
        }
        for i, name in enumerate(PROPERTIES):
            spread = each[:, i].std(ddof=1) if len(each) > 1 else np.nan
            row[f"{name}, {UNITS[name]}"] = f"{each[:, i].mean():.1f} ± {spread:.1f}"
        if full:
            value, samples = ratios(by_seed, full)
            row |= {
                f"{name} / full": f"{value[i]:.2f} (≤ {upper(samples)[i]:.2f})"
                for i, name in enumerate(PROPERTIES)
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _uncertain(bench: Bench, rule: str, fraction: Fraction, seeds: Sequence[int]) -> str:
    """Fraction of the remaining frames that were uncertain when this size was bought."""
    known: list[Point] = [bench.point(rule, seed, fraction) for seed in seeds]
    shares = [point.uncertain for point in known if point.uncertain is not None]
    return f"{np.mean(shares):.0%}" if shares else "–"


def comparisons(found: dict[Place, dict[int, Squares]]) -> list[str]:
    """What the goals ask for, with the bound that decides it."""
    pairs = []
    full = ("random_control", Fraction(1))
    for rule, fraction in found:
        if rule != "random_control" and fraction == Fraction(1, 2):
            pairs.append(((rule, fraction), full, "the full pool's error with half of its labels"))
    for ours, theirs in ((Fraction(1, 6), Fraction(1, 4)), (Fraction(1, 3), Fraction(1, 2))):
        pairs.append(((OURS, ours), (PAPERS, theirs), "the paper's rule with two thirds"))
    for fraction in (Fraction(1, 4), Fraction(1, 2)):
        for rule in ("random_control", PAPERS, "top", "farthest_point", "coverage"):
            pairs.append(((OURS, fraction), (rule, fraction), "at the same number of labels"))
    lines = []
    for one, other, what in pairs:
        if one in found and other in found:
            value, samples = ratios(found[one], found[other])
            bound, wins = upper(samples), (samples < 1).mean(axis=0)
            told = ", ".join(
                f"{name} {value[i]:.2f} (≤ {bound[i]:.2f}{'' if bound[i] > SAME else ', same'}; "
                f"lower in {wins[i]:.0%})"
                for i, name in enumerate(PROPERTIES)
            )
            lines.append(f"{one[0]} {one[1]} over {other[0]} {other[1]}, {what}: {told}")
    return lines


def labels_needed(
    bench: Bench, seeds: Sequence[int], found: dict[Place, dict[int, Squares]]
) -> list[str]:
    """Labels at which each curve of mean errors crosses that of the full pool, by interpolation."""
    lines = []
    full = found.get(("random_control", Fraction(1)))
    if not full:
        return lines
    goal = np.mean([np.log(s.sums.sum(1) / s.counts.sum(1)) for s in full.values()], axis=0)
    for rule in dict.fromkeys(rule for rule, _ in found):
        own = sorted(
            (f for r, f in found if r == rule or (f in (Fraction(1, 8), Fraction(1)))), key=float
        )
        own = list(dict.fromkeys(own))
        places = [(rule, f) if (rule, f) in found else ("random_control", f) for f in own]
        curve = np.array(
            [
                np.mean(
                    [np.log(s.sums.sum(1) / s.counts.sum(1)) for s in found[p].values()], axis=0
                )
                for p in places
            ]
        )
        told = []
        for i, name in enumerate(PROPERTIES):
            below = np.flatnonzero(curve[:, i] <= goal[i] + 2 * np.log(SAME))
            at = int(below[0])
            if at == 0:
                told.append(f"{name} 1/8 or less")
                continue
            x0, x1 = np.log(float(own[at - 1])), np.log(float(own[at]))
            y0, y1 = curve[at - 1, i], curve[at, i]
            share = (goal[i] + 2 * np.log(SAME) - y0) / (y1 - y0)
            told.append(f"{name} {np.exp(x0 + share * (x1 - x0)):.0%}")
        lines.append(f"{rule}: {', '.join(told)}")
    return lines


def draw_curves(bench: Bench, seeds: Sequence[int], found: dict[Place, dict[int, Squares]]) -> None:
    """Curves with the spread over seeds, as ``curves.svg`` in the bench's folder."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullLocator, ScalarFormatter

    figure, axes = plt.subplots(1, 3, figsize=(13, 4))
    rules = dict.fromkeys(rule for rule, _ in found)
    for rule in rules:
        ends = {place for place in found if place[1] in (Fraction(1, 8), Fraction(1))}
        own = sorted(
            {place for place in found if place[0] == rule} | ends, key=lambda place: place[1]
        )
        labels = [np.mean([bench.count(seed, f) for seed in found[r, f]]) for r, f in own]
        for i, (name, axis) in enumerate(zip(PROPERTIES, axes, strict=True)):
            each = [
                [float(np.sqrt(s.sums[i].sum() / s.counts[i].sum())) for s in found[place].values()]
                for place in own
            ]
            means = [np.mean(values) for values in each]
            spread = [np.std(values) for values in each]
            axis.errorbar(labels, means, yerr=spread, marker="o", capsize=3, label=rule)
            axis.set(xscale="log", yscale="log", xlabel="labels", ylabel=f"{name}, {UNITS[name]}")
    for axis in axes:
        counts = sorted({round(x) for line in axis.get_lines() for x in line.get_xdata()})
        axis.set_xticks(counts, counts)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.yaxis.set_minor_formatter(ScalarFormatter())
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(bench.folder / "curves.svg")
    plt.close(figure)


def write_report(bench: Bench, seeds: Sequence[int], points: Sequence[Place]) -> None:
    """Print the table and the comparisons, and keep them beside the curves."""
    found = collect(bench, seeds, points)
    if not found:
        print("nothing is trained yet")
        return
    rows = table(bench, seeds, found)
    text = [
        f"{len(bench.data)} structures, pools of {bench.count(seeds[0], Fraction(1))} labels, "
        f"{len(np.unique(bench.data.group))} groups; seeds {list(seeds)}",
        rows.to_string(index=False),
        "",
        *comparisons(found),
        "",
        "share of the labels at which the error is 1.05 times the full pool's (interpolated)",
        *labels_needed(bench, seeds, found),
    ]
    print("\n".join(text))
    rows.to_csv(bench.folder / "table.csv", index=False)
    (bench.folder / "report.txt").write_text("\n".join(text) + "\n")
    draw_curves(bench, seeds, found)
    print(f"curves: {bench.folder / 'curves.svg'}")
