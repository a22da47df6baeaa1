"""Nodes of the validation stage. What tests need is imported when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from potwright.errors import InputError
from potwright.execution import KeptWorkers
from potwright.pes import PESData
from potwright.pipelines.validation import results
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.results import Result
from potwright.pipelines.validation.surfaces import NamedCommittee, Surfaces
from potwright.potentials import Committee
from potwright.potentials.files import open_potentials
from potwright.quantum import Engine, EngineParameters, LabelStore

Measure = Callable[[Surfaces, ValidationParameters], Result]


def open_surfaces(
    committee: Committee,
    label_store: LabelStore,
    labelling_engine: dict[str, Any],
    parameters: ValidationParameters,
) -> Surfaces:
    """Open the potentials, and the engine that is their reference."""
    potentials = {
        name: NamedCommittee(
            committee if one.path is None else open_potentials(one.path), one.includes_dispersion
        )
        for name, one in parameters.potentials.items()
    }
    engine: Engine = parameters.reference or TypeAdapter(EngineParameters).validate_python(
        labelling_engine
    )
    engine.verify()
    _refuse_dispersion_twice(engine, parameters)
    return Surfaces(
        potentials,
        engine,
        label_store,
        parameters.executor,
        device=parameters.device,
        dispersion=parameters.dispersion,
        members=parameters.members,
    )


def verify_tests(
    surfaces: Surfaces, unseen_structures: PESData, seed: int, parameters: ValidationParameters
) -> Surfaces:
    """Refuse what would end a test that is enabled, before any of them is paid for."""
    from potwright.pipelines.validation import (
        alloys,
        defects,
        elastic,
        equations_of_state,
        generalisation,
        interlayer,
        melt_quench,
        phonons,
    )

    simple = {
        "equation_of_state": equations_of_state,
        "elastic": elastic,
        "phonons": phonons,
        "defects": defects,
        "interlayer": interlayer,
        "alloys": alloys,
    }
    for test, module in simple.items():
        if getattr(parameters, test).enabled:
            module.refuse(surfaces, parameters)
    if parameters.generalisation.enabled:
        generalisation.refuse(surfaces, unseen_structures)
    if parameters.melt_quench.enabled:
        melt_quench.refuse(surfaces, parameters, seed)
    return surfaces


def measure_equations_of_state(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Energy over bond length of all listed prototypes, and their minima."""
    from potwright.pipelines.validation import equations_of_state

    enabled = parameters.equation_of_state.enabled
    return _measured("equation_of_state", enabled, equations_of_state.measure, surfaces, parameters)


def measure_elastic_constants(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Elastic constants and moduli of all listed crystals and sheets."""
    from potwright.pipelines.validation import elastic

    return _measured("elastic", parameters.elastic.enabled, elastic.measure, surfaces, parameters)


def measure_phonons(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Phonon dispersion and density of states of all listed prototypes."""
    from potwright.pipelines.validation import phonons

    return _measured("phonons", parameters.phonons.enabled, phonons.measure, surfaces, parameters)


def measure_defects(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Formation energies of point defects, relaxed and evaluated by either side."""
    from potwright.pipelines.validation import defects

    return _measured("defects", parameters.defects.enabled, defects.measure, surfaces, parameters)


def measure_interlayer_binding(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Energy over the distance of layers, with and without dispersion."""
    from potwright.pipelines.validation import interlayer

    enabled = parameters.interlayer.enabled
    return _measured("interlayer", enabled, interlayer.measure, surfaces, parameters)


def measure_generalisation(
    surfaces: Surfaces, unseen_structures: PESData, parameters: ValidationParameters
) -> Result:
    """Errors on structures that nobody has seen; failed labels and outliers are counted apart."""
    from potwright.pipelines.validation import generalisation

    def measure(opened: Surfaces, asked: ValidationParameters) -> Result:
        return generalisation.measure(opened, unseen_structures, asked)

    enabled = parameters.generalisation.enabled
    return _measured("generalisation", enabled, measure, surfaces, parameters)


def measure_melt_quench(surfaces: Surfaces, seed: int, parameters: ValidationParameters) -> Result:
    """Radial distribution after melt and quench, by every member."""
    from potwright.pipelines.validation import melt_quench

    def measure(opened: Surfaces, asked: ValidationParameters) -> Result:
        return melt_quench.measure(opened, asked, seed)

    enabled = parameters.melt_quench.enabled
    return _measured("melt_quench", enabled, measure, surfaces, parameters)


def measure_alloys(surfaces: Surfaces, seed: int, parameters: ValidationParameters) -> Result:
    """Formation-energy difference of two phases over the composition of an alloy."""
    from potwright.pipelines.validation import alloys

    def measure(opened: Surfaces, asked: ValidationParameters) -> Result:
        return alloys.measure(opened, asked, seed)

    return _measured("alloys", parameters.alloys.enabled, measure, surfaces, parameters)


def collect_validation(*measured: Result) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Join what was measured: a table of numbers, and everything that can be plotted."""
    ran = [one for one in measured if one.quantities or one.curves or one.missing]
    return results.table(ran), results.document(ran)


def _measured(
    test: str,
    enabled: bool,
    measure: Measure,
    surfaces: Surfaces,
    parameters: ValidationParameters,
) -> Result:
    """Nothing, or what a test measures with workers that stay from round to round."""
    if not enabled:
        return Result(test)
    # apart, because loky takes a worker that begins to use a large library for one that leaks
    with KeptWorkers(parameters.executor) as workers, KeptWorkers(parameters.executor) as labellers:
        return measure(surfaces.on(workers, labellers), parameters)


def _refuse_dispersion_twice(engine: Engine, parameters: ValidationParameters) -> None:
    added = parameters.dispersion.type
    if added != "none" and engine.includes_dispersion:
        raise InputError(
            f"validation.dispersion.type = {added!r}: labels of the reference contain dispersion, "
            "which the potentials learn; added again it would count twice. Use none, or an engine "
            "whose labels lack it"
        )
