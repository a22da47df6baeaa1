"""The steps of the labelling stage."""

from __future__ import annotations

import pandas as pd

from potwright.errors import InputError
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.labelling import calculations, candidates, report, screening
from potwright.pipelines.labelling.calculations import LabellingOutcomes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import LabelStore


def choose_candidates(
    augmented_structures: PESData,
    selected_structures_previous: PESData,
    labelled_structures_previous: PESData,
    parameters: LabellingParameters,
    campaign: CampaignParameters,
) -> PESData:
    """Take the augmented structures in the first iteration, the selected ones in later ones.

    What is labelled already is left out. Labels that structures bring along are not taken over:
    one dataset holds one level of theory.
    """
    engine = parameters.engine
    engine.verify()
    candidates.refuse_another_level(labelled_structures_previous, engine.level_of_theory())
    return candidates.choose(
        augmented_structures,
        selected_structures_previous,
        labelled_structures_previous,
        iteration=campaign.next_iteration(labelled_structures_previous.iteration),
    )


def screen_candidates(
    labelling_candidates: PESData,
    augmented_structures: PESData,
    labelled_structures_previous: PESData,
    parameters: LabellingParameters,
) -> tuple[PESData, pd.DataFrame]:
    """Drop what is not worth a calculation, and warn of cells too short for the engine."""
    structures, limits = labelling_candidates, parameters.screening
    screening.refuse_unknown_elements(structures, parameters.engine)
    ancestors = [structures, augmented_structures, labelled_structures_previous]
    reasons = screening.reasons_to_drop(structures, ancestors, limits)
    dropped = screening.count(structures, reasons, limits.warn_fraction)
    kept = structures[reasons == screening.KEPT]
    if len(structures) and not len(kept) and not len(labelled_structures_previous):
        causes = ", ".join(f"{n} {reason}" for reason, n in dropped.reason.value_counts().items())
        raise InputError(
            f"screening drops all {len(structures)} structures ({causes}); mend the structures, or "
            "set other limits in labelling.screening"
        )
    screening.warn_of_short_cells(kept, parameters.engine)
    return kept, dropped


def compute_labels(
    screened_candidates: PESData, label_store: LabelStore, parameters: LabellingParameters
) -> LabellingOutcomes:
    """Look labels up in the store and compute the missing ones, each committed as it arrives."""
    return calculations.label_structures(
        screened_candidates,
        label_store,
        parameters.engine,
        parameters.executor,
        retry_failed=parameters.retry_failed,
    )


def collect_labels(screened_candidates: PESData, labelling_outcomes: LabellingOutcomes) -> PESData:
    """Join the structures and their labels; failed ones are left out."""
    return calculations.labelled(screened_candidates, labelling_outcomes)


def report_labelling(
    screened_candidates: PESData,
    screened_out: pd.DataFrame,
    labelling_outcomes: LabellingOutcomes,
) -> pd.DataFrame:
    """Say what became of each candidate: computed, from the store, failed or screened."""
    return report.labelling_table(screened_candidates, screened_out, labelling_outcomes)
