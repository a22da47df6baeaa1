"""The paper's cases: settings are valid, are the paper's, and buy no more than they promise."""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from kedro.io import AbstractDataset, DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from potwright import settings
from potwright.configuration import ConfigLoader, ProjectParameters
from potwright.geometry import find_supercell, shortest_image
from potwright.pes import PESData
from potwright.pipelines.augmentation.pipeline import create_pipeline
from potwright.pipelines.labelling.nodes import screen_candidates
from potwright.quantum import TBLiteEngine

PROJECT = Path(__file__).parents[2]
CASES = [
    "carbon_accurate",
    "carbon_fast",
    "wmote2_alloys",
    "wmote2_end_members",
    "wmote2_fine_tuned",
]
SMALL = [f"{case}_small" for case in CASES]
LABELS, ATOMS = 150, 90
"""What each small form promises to stay within."""


@lru_cache
def loader(env: str) -> ConfigLoader:
    return ConfigLoader(str(PROJECT / "conf"), env=env, **settings.CONFIG_LOADER_ARGS)


@lru_cache
def parameters(env: str) -> ProjectParameters:
    return ProjectParameters.model_validate(loader(env)["parameters"])


@pytest.fixture
def inputs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads a dataset of an environment's catalog, in the project's folder."""
    monkeypatch.chdir(PROJECT)

    def read(env: str, name: str) -> PESData:
        entry = loader(env)["catalog"][name]
        loaded: PESData = AbstractDataset.from_config(name, entry).load()
        return loaded

    return read


def augmented(env: str, inputs: Any, **changes: Any) -> PESData:
    """The augmented set, with parameters that a test changes."""
    chosen = parameters(env)
    nothing = PESData.empty()
    given = {
        "initial_structures": inputs(env, "initial_structures"),
        "initial_trajectories": nothing,
        "initial_labels": nothing,
        "params:augmentation": chosen.augmentation.model_copy(update=changes),
        "params:seed": chosen.seed,
    }
    pipeline = create_pipeline()
    made = {name: MemoryDataset(copy_mode="assign") for name in pipeline.all_outputs()}
    catalog = DataCatalog(
        {k: MemoryDataset(v, copy_mode="assign") for k, v in given.items()} | made
    )
    SequentialRunner().run(pipeline, catalog)
    structures: PESData = catalog["augmented_structures"].load()
    return structures


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("env", [*CASES, *SMALL])
def test_its_settings_are_valid_as_a_whole_and_its_data_is_its_own(env):
    parameters(env)
    assert loader(env)["globals"]["campaign"] == env


@pytest.mark.parametrize("env", [*CASES, *SMALL])
def test_what_it_begins_with_is_there(env, inputs):
    structures = inputs(env, "initial_structures")
    if env.startswith("wmote2_fine_tuned"):  # which begins with the labels of another campaign
        assert not len(structures)
        labels = loader(env)["catalog"]["initial_labels"]["filepath"]
        alloys = env.replace("fine_tuned", "alloys")
        assert labels == f"data/03_primary/{alloys}/labelled_structures.h5"
        assert alloys in [*CASES, *SMALL]
    else:
        expected = {"carbon": [6], "wmote2": [42, 52, 74]}[env.split("_")[0]]
        assert structures.species == expected


@pytest.mark.parametrize("size", ["", "_small"])
def test_a_fine_tuned_model_has_the_level_of_theory_of_the_labels_that_it_takes(size):
    """Else they would be refused, after hours."""
    first, second = (parameters(f"wmote2_{name}{size}") for name in ("alloys", "fine_tuned"))
    assert first.labelling.engine == second.labelling.engine


# ---------------------------------------------------------------- the paper's


CARBON = {
    "augmentation.supercells.max_atoms": 600,
    "augmentation.supercells.min_length_angstrom": 24,
    "augmentation.clusters.count": 80,
    "augmentation.clusters.max_atoms": 30,
    "augmentation.clusters.min_distance_angstrom": 1.5,
    "augmentation.slabs.min_thickness_angstrom": 10,
    "augmentation.slabs.max_atoms": 600,
    "augmentation.vacuum.min_gap_angstrom": 15,
    "augmentation.vacancies.atoms": 2,
    "augmentation.vacancies.fraction_of_copies": 0.3,
    "labelling.engine.scf_threshold_ry": 1e-8,
    "training.trainer.settings.r_max": 4.5,
    "training.trainer.settings.num_interactions": 2,
    "training.trainer.settings.batch_size": 1,
    "training.trainer.epochs": 500,
    "exploration.timestep_fs": 1,
    "exploration.frame_interval_ps": 1000,
    "exploration.engine.type": "lammps",
    "exploration.engine.ensemble": "auto",  # NPT where there is a periodic axis, else NVT
    "exploration.dispersion.type": "d2",
    "evaluation.error_thresholds.energy_mev_per_atom": 2,
    "evaluation.error_thresholds.forces_mev_per_angstrom": 50,
    "evaluation.error_thresholds.stress_mev_per_angstrom3": 10,
    "evaluation.selection.max_selected": 1000,
}
"""Of both runs (section 4.1)."""

MONOLAYERS = {
    "augmentation.supercells.min_length_angstrom": 18,
    "augmentation.vacuum.min_gap_angstrom": 15,
    "augmentation.vacancies.atoms": 2,
    "augmentation.vacancies.fraction_of_copies": 0.3,
    "augmentation.clusters.enabled": False,
    "augmentation.slabs.enabled": False,
    "augmentation.substitutions.enabled": False,
    "training.trainer.settings.r_max": 6.0,
    "training.trainer.settings.num_interactions": 2,
    "training.trainer.settings.batch_size": 5,
    "training.trainer.epochs": 500,
}
"""Of what is augmented and trained from scratch (section 4.3)."""

LABELS_OF_RUN_B = {
    "labelling.engine.protocol": "stringent",
    "labelling.engine.scf_threshold_ry": 1e-8,
}
FIGURE_11 = {"validation.alloys.realisations": 10, "validation.alloys.dispersion": False}

PAPER: dict[str, dict[str, Any]] = {
    "carbon_fast": CARBON
    | {
        "campaign.max_iterations": 10,
        "augmentation.rattle.rattle_fraction": 0.4,
        "augmentation.strain.max_compressive_strain": 0.2,
        "augmentation.strain.max_tensile_strain": 0.2,
        "labelling.engine.protocol": "fast",
        "exploration.design.temperature_range_kelvin": (0, 5000),
        "exploration.design.pressure_range_kbar": (-5, 5),
    },
    "carbon_accurate": CARBON
    | LABELS_OF_RUN_B
    | {
        "campaign.max_iterations": 2,
        "augmentation.rattle.rattle_fraction": 0.3,
        "augmentation.strain.max_compressive_strain": 0.3,
        "augmentation.strain.max_tensile_strain": 0.6,
        "exploration.design.temperature_range_kelvin": (0, 1000),
        "exploration.design.pressure_range_kbar": (-20, 20),
        "validation.dispersion.type": "d2",
        "validation.equation_of_state.dispersion": True,
        "validation.phonons.dispersion": True,
        "validation.melt_quench.dispersion": True,
        "validation.generalisation.dispersion": True,
        "validation.defects.dispersion": False,
        "validation.generalisation.outliers.energy_ev_per_atom": 0.2,
        "validation.generalisation.outliers.forces_ev_per_angstrom": 50,
        "validation.generalisation.outliers.stress_ev_per_angstrom3": 1,
        "validation.melt_quench.density_g_per_cm3": 3.5,
    },
    "wmote2_alloys": MONOLAYERS
    | LABELS_OF_RUN_B
    | FIGURE_11
    | {
        "campaign.max_iterations": 1,
        "augmentation.alloys.alloy_species": ("Mo", "W"),
        "augmentation.alloys.fixed_species": ("Te",),
    },
    "wmote2_fine_tuned": LABELS_OF_RUN_B
    | FIGURE_11
    | {"training.start.type": "foundation", "campaign.max_iterations": 1},
    "wmote2_end_members": MONOLAYERS
    | LABELS_OF_RUN_B
    | FIGURE_11
    | {
        "campaign.max_iterations": 12,
        "augmentation.alloys.alloy_species": (),
        "exploration.design.temperature_range_kelvin": (0, 1800),
        "exploration.design.pressure_range_kbar": (-10, 10),
        "exploration.engine.type": "lammps",
        "exploration.engine.ensemble": "auto",
        "exploration.dispersion.type": "none",
    },
}


@pytest.mark.parametrize(
    ("env", "key"), [(env, key) for env, said in PAPER.items() for key in said], ids=str
)
def test_it_has_the_numbers_of_the_paper(env, key):
    value: Any = parameters(env)
    for part in key.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    assert value == PAPER[env][key]


def test_carbon_slabs_are_cut_along_seven_planes():
    planes = parameters("carbon_fast").augmentation.slabs.miller_indices
    assert sorted(planes) == [
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
        (1, 0, 0),
        (1, 0, 1),
        (1, 1, 0),
        (1, 1, 1),
    ]
    assert parameters("carbon_accurate").augmentation.slabs.miller_indices == planes


def test_the_fast_campaign_begins_with_as_many_structures_as_the_papers(inputs):
    """1177; made without copies, for the sake of time, and counted with them."""
    copies = parameters("carbon_fast").augmentation.copies
    structures = augmented("carbon_fast", inputs, copies=0)
    number = len(inputs("carbon_fast", "initial_structures"))
    assert number == 40
    assert len(structures) + number * copies == pytest.approx(1177, abs=20)
    assert structures.n_atoms.max() <= 600


def test_the_alloys_are_as_many_as_the_papers(inputs):
    """1687; a tenth of the alloys is made, of all compositions."""
    asked = parameters("wmote2_alloys").augmentation
    tenth = asked.alloys.model_copy(update={"count": asked.alloys.count // 10})
    structures = augmented("wmote2_alloys", inputs, alloys=tenth)
    assert len(structures) + asked.alloys.count - tenth.count == 1687
    alloys = structures[structures.origin == "alloy"]
    assert len(alloys) == tenth.count
    shares = [(atoms.numbers == 74).mean() * 3 for atoms in alloys.to_atoms()]
    assert min(shares) < 0.05
    assert max(shares) > 0.95


# ---------------------------------------------------------------- small forms


@pytest.mark.parametrize("env", [env for env in SMALL if "fine_tuned" not in env])
def test_a_small_form_stays_within_its_labels_and_atoms(env, inputs):
    """Through augmentation and screening, and with all that later iterations may buy."""
    chosen = parameters(env)
    structures = augmented(env, inputs)
    kept, _ = screen_candidates(structures, structures, PESData.empty(), chosen.labelling)
    assert structures.n_atoms.max() <= ATOMS
    for i in np.flatnonzero(np.isin(structures.origin, ["supercell", "slab"])).tolist():
        assert shortest_image(structures.cell[i], structures.pbc[i]) > 6.3, structures.source[i]
    schedule = chosen.exploration.schedule()
    frames = chosen.exploration.n_starts * round(schedule.duration_fs / schedule.frame_interval_fs)
    audit = max(chosen.evaluation.audit.minimum, round(chosen.evaluation.audit.fraction * frames))
    each = chosen.evaluation.selection.max_selected + audit
    later = chosen.campaign.max_iterations - 1
    assert len(kept) + later * each <= LABELS
    assert chosen.campaign.label_budget == LABELS


@pytest.mark.parametrize("env", SMALL)
def test_a_small_form_is_of_the_embedded_level_without_further_dispersion(env):
    chosen = parameters(env)
    assert chosen.labelling.engine.level_of_theory() == TBLiteEngine().level_of_theory()
    assert chosen.exploration.dispersion.type == "none"
    assert chosen.validation.dispersion.type == "none"


def changed(augmentation, blocks):
    """The same with other values in some blocks."""
    update = {n: getattr(augmentation, n).model_copy(update=new) for n, new in blocks.items()}
    return augmentation.model_copy(update=update)


@pytest.mark.parametrize("case", CASES)
def test_a_small_form_distorts_and_explores_as_its_case_does(case):
    large, small = parameters(case), parameters(f"{case}_small")
    if case in ("wmote2_alloys", "wmote2_end_members"):
        # the paper names no strain and no rattle there: less of both
        strain = {"max_compressive_strain": 0.1, "max_tensile_strain": 0.1}
        few = {"strain": strain, "rattle": {"rattle_fraction": 0.1}}
        large = large.model_copy(update={"augmentation": changed(large.augmentation, few)})
    for block in ("strain", "rattle", "vacancies", "substitutions", "vacuum"):
        assert getattr(small.augmentation, block) == getattr(large.augmentation, block)
    assert small.exploration.design == large.exploration.design
    assert small.evaluation.error_thresholds == large.evaluation.error_thresholds


@pytest.mark.parametrize("size", ["", "_small"])
def test_the_three_models_side_by_side_are_ready(size):
    """Uncommented the block is valid, beside the campaign's own, of folders that commands fill."""
    env = f"wmote2_fine_tuned{size}"
    text = (PROJECT / "conf" / env / "parameters.yml").read_text()
    (commented,) = re.findall(r"^  # potentials:\n(?:  #   .*\n)+", text, re.MULTILINE)
    block = yaml.safe_load(re.sub(r"^  # ", "", commented, flags=re.MULTILINE))
    merged = copy.deepcopy(loader(env)["parameters"])
    merged["validation"]["potentials"] |= block["potentials"]
    asked = ProjectParameters.model_validate(merged).validation.potentials
    assert {"committee", "alloys", "end_members"} <= set(asked)
    assert asked["committee"].path is None
    page = (PROJECT / "docs" / "paper_cases.md").read_text()
    for name in ("alloys", "end_members"):
        command = f"kedro campaign export {asked[name].path} --potential-only"
        assert f"{command} --env wmote2_{name}{size}\n" in page, name


@pytest.mark.parametrize("env", [env for env in SMALL if env.startswith("wmote2")])
def test_either_phase_has_all_compositions_in_the_cells_of_the_data(env):
    asked = parameters(env).validation
    assert asked.alloys.enabled
    for names in asked.alloys.phases.values():
        for name in names:
            prototype = asked.prototypes[name]
            file = PROJECT / str(prototype.file)
            atoms = prototype.model_copy(update={"file": file}).atoms
            length = asked.alloys.min_length_angstrom
            cell = find_supercell(atoms.cell.array, atoms.pbc, len(atoms), length, 500)
            assert cell.n_atoms in (75, 90)
            metals = cell.n_atoms // 3 * np.array(asked.alloys.compositions)
            assert metals == pytest.approx(np.round(metals))


def test_the_small_monolayers_are_labelled_in_the_cells_in_which_they_were_relaxed(inputs):
    structures = augmented("wmote2_end_members_small", inputs, copies=0)
    sheets = structures[structures.origin == "supercell"]
    assert sorted(sheets.n_atoms.tolist()) == [75, 75, 90, 90]
