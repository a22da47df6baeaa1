"""The steps of the labelling stage."""

from __future__ import annotations

import pandas as pd

from potwright.errors import InputError
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.labelling import candidates, relabelling, report, screening
from potwright.pipelines.labelling import initial_labels as foreign
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import LabelStore, calculations
from potwright.quantum.calculations import LabellingOutcomes


def take_initial_labels(
    initial_labels: PESData,
    labelled_structures_previous: PESData,
    parameters: LabellingParameters,
    campaign: CampaignParameters,
) -> tuple[PESData, PESData]:
    """Take structures that come with labels of the campaign's level, and join them to what it has.

    Those that are new to the campaign are the first result, what it has with them the second.
    """
    previous = labelled_structures_previous
    if not len(initial_labels):
        return initial_labels, previous
    parameters.engine.verify()
    iteration = campaign.next_iteration(previous.iteration)
    level = parameters.engine.level_of_theory()
    brought = foreign.take(initial_labels, previous, level, iteration=iteration)
    return brought, PESData.concatenate([previous, brought])


def choose_candidates(
    augmented_structures: PESData,
    selected_structures_previous: PESData,
    known_labels: PESData,
    parameters: LabellingParameters,
    campaign: CampaignParameters,
) -> PESData:
    """Take the augmented structures in the first iteration, the selected ones in later ones.

    What is labelled already is left out. Labels that structures bring along are not taken over:
    one dataset holds one level of theory.
    """
    engine = parameters.engine
    engine.verify()
    candidates.refuse_another_level(known_labels, engine.level_of_theory())
    return candidates.choose(
        augmented_structures,
        selected_structures_previous,
        known_labels,
        iteration=campaign.next_iteration(known_labels.iteration),
    )


def screen_candidates(
    labelling_candidates: PESData,
    augmented_structures: PESData,
    known_labels: PESData,
    parameters: LabellingParameters,
) -> tuple[PESData, pd.DataFrame]:
    """Drop what is not worth a calculation, and warn of cells too short for the engine."""
    structures, limits = labelling_candidates, parameters.screening
    screening.refuse_unknown_elements(structures, parameters.engine)
    ancestors = [structures, augmented_structures, known_labels]
    reasons = screening.reasons_to_drop(structures, ancestors, limits, known_labels)
    dropped = screening.count(structures, reasons, limits.warn_fraction)
    kept = structures[reasons == screening.KEPT]
    if len(structures) and not len(kept) and not len(known_labels):
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
        retry=parameters.retry,
    )


def collect_labels(
    screened_candidates: PESData, labelling_outcomes: LabellingOutcomes, brought_labels: PESData
) -> PESData:
    """Join the structures and their labels; failed ones are left out."""
    computed = calculations.labelled(screened_candidates, labelling_outcomes)
    return PESData.concatenate([brought_labels, computed])


def report_labelling(
    screened_candidates: PESData,
    screened_out: pd.DataFrame,
    labelling_outcomes: LabellingOutcomes,
) -> pd.DataFrame:
    """Say what became of each candidate: computed, from the store, failed or screened."""
    return report.labelling_table(screened_candidates, screened_out, labelling_outcomes)


def summarise_labelling(labelling_report: pd.DataFrame) -> pd.DataFrame:
    """Count what became of the candidates by origin, reason and recovery, with the time spent."""
    return report.summary(labelling_report)


def choose_to_relabel(labelled_structures: PESData, parameters: LabellingParameters) -> PESData:
    """Take all that the campaign has labelled, without its labels."""
    relabelling.other_engine(parameters).verify()
    return relabelling.choose(labelled_structures, parameters)


def relabel(
    relabelling_candidates: PESData, label_store: LabelStore, parameters: LabellingParameters
) -> LabellingOutcomes:
    """Look labels of the other level up in the store and compute the missing ones."""
    return calculations.label_structures(
        relabelling_candidates,
        label_store,
        relabelling.other_engine(parameters),
        parameters.executor,
        retry=parameters.retry,
    )


def collect_relabelled(
    relabelling_candidates: PESData, relabelling_outcomes: LabellingOutcomes
) -> PESData:
    """Join the structures and their labels of the other level; failed ones are left out."""
    return calculations.labelled(relabelling_candidates, relabelling_outcomes)


def report_relabelling(
    relabelling_candidates: PESData, relabelling_outcomes: LabellingOutcomes
) -> pd.DataFrame:
    """Say what became of each structure: computed, from the store, or failed."""
    table = report.labelling_table(
        relabelling_candidates, screening.nothing_dropped(), relabelling_outcomes
    )
    report.summary(table)
    return table
