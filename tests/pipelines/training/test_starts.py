"""Where weights begin, with each backend: foundation models here are small ones of our own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.training.mace.start import flat_weights, load
from potwright.pipelines.training.members import member_task, member_tasks, train_members
from potwright.pipelines.training.metatrain.log import weights
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.starts import FoundationStart, MemberStart, member_starts
from potwright.pipelines.training.trainer import MemberResult, MemberTask
from potwright.pipelines.training.training_set import bootstrap, training_set
from potwright.potentials import Committee
from potwright.potentials.model_file import ModelFile

slow = pytest.mark.slow
backends = pytest.mark.parametrize("backend", ["mace", "soap_bpnn", "pet"])
Make = Callable[..., TrainingParameters]
Train = Callable[[MemberTask], MemberResult]
NOT_LEARNING = 1e-14


def evaluate(parameters: TrainingParameters, model: Path, pes: PESData) -> tuple[np.ndarray, ...]:
    return ModelFile(model, parameters.trainer.type).evaluate(pes, "cpu")


@pytest.fixture
def started(
    labelled: PESData,
    of_backend: Make,
    foundation: Callable[[str], Path],
    train: Train,
    tmp_path: Path,
) -> Callable[..., tuple[TrainingParameters, Path]]:
    """A member that starts from the small foundation model and learns nothing."""

    def make(
        backend: str,
        seed: int = 3,
        shift: float = 0.0,
        learning_rate: float = NOT_LEARNING,
        **start: Any,
    ) -> tuple[TrainingParameters, Path]:
        parameters = of_backend(backend, learning_rate, steps=3)
        model = parameters.trainer.restartable(foundation(backend))
        task = member_task(
            training_set(labelled),
            tmp_path / f"{len(list(tmp_path.iterdir()))}",
            parameters,
            seed,
            0,
            start=MemberStart(model, **start),
        )
        energies = {z: e + shift for z, e in task.energies.items()}
        return parameters, train(replace(task, energies=energies)).model

    return make


@slow
@backends
def test_it_begins_where_the_foundation_model_is_with_reference_energies_of_this_level(
    backend: str, started: Any, foundation: Callable[[str], Path], labelled: PESData
) -> None:
    """E0 that differ by 2 eV shift energies by 2 eV per atom, and leave forces as they are."""
    parameters, model = started(backend, shift=2.0, reinitialise_readouts=False)
    energy, forces, stress = evaluate(parameters, model, labelled[:2])
    before = evaluate(parameters, foundation(backend), labelled[:2])
    np.testing.assert_allclose(energy - before[0], 2.0 * labelled[:2].n_atoms, atol=1e-6)
    np.testing.assert_allclose(forces, before[1], atol=1e-6)
    np.testing.assert_allclose(stress, before[2], atol=1e-7)


def weights_of(backend: str, model: Path) -> np.ndarray:
    """All weights of a model in a row."""
    if backend == "mace":
        return flat_weights(model)
    found = weights(model.with_suffix(".ckpt")).items()
    numbers = [v for n, v in found if "additive" not in n and hasattr(v, "numpy")]
    return np.concatenate([v.numpy().ravel() for v in numbers if v.is_floating_point()])


@slow
@backends
def test_members_with_readouts_of_their_own_differ_and_without_they_do_not(
    backend: str, started: Any
) -> None:
    spread = {}
    for reinitialise in (True, False):
        made = [started(backend, seed, reinitialise_readouts=reinitialise) for seed in (1, 2)]
        one, other = (weights_of(backend, model) for _, model in made)
        spread[reinitialise] = np.abs(one - other).max()
    assert spread[True] > 1e-2 and spread[False] < 1e-9


@slow
@pytest.mark.parametrize("method", ["heads", "lora"])
def test_only_a_part_of_pet_learns_where_that_is_asked_for(
    method: str, started: Any, foundation: Callable[[str], Path]
) -> None:
    _, model = started("pet", learning_rate=0.01, method=method, reinitialise_readouts=False)
    before, after = (weights(m.with_suffix(".ckpt")) for m in (foundation("pet"), model))
    changed = {
        name
        for name, value in before.items()
        if name in after
        and hasattr(value, "is_floating_point")
        and value.is_floating_point()
        and not np.allclose(value, after[name])
    }
    if method == "heads":
        assert changed
        assert all(any(part in name for part in ("heads.", "last_layers.")) for name in changed)
    else:  # corrections begin at zero, by their second factor, and stand beside the old weights
        assert not changed
        second = [value for name, value in after.items() if "lora_B" in name]
        assert second and all(np.abs(value.numpy()).max() > 1e-4 for value in second)


def replaying_higher(labelled: PESData, model: Path, folder: Path, **more: Any) -> dict[str, Any]:
    """A start that replays labels of another level, 3 eV per atom higher, beside the own ones."""
    higher = labelled.replace(energy=labelled.energy + 3.0 * labelled.n_atoms)
    higher[:12].write(folder / "replay.h5")
    replay = {"method": "multihead", "replay": str(folder / "replay.h5")}
    return {"type": "foundation", "model": str(model), **replay, **more}


@slow
def test_a_second_head_repeats_what_the_foundation_model_had_learnt(
    labelled: PESData,
    parameters: Make,
    foundation: Callable[[str], Path],
    committee_of: Callable[..., Committee],
    tmp_path: Path,
) -> None:
    """The replayed labels are of another level: 3 eV per atom higher. Each head keeps its own."""
    start = replaying_higher(labelled, foundation("mace"), tmp_path)
    chosen = parameters(members=2, steps=20, start=start, loss="universal")
    committee = committee_of(labelled, tmp_path / "workspace", chosen, 7, 1)
    model = load(committee.members[0].path)
    assert list(model.heads) == ["pt_head", "Default"]
    # 12 of its own and 10 replayed: 5 batches of 4 an epoch
    assert [m["optimiser_steps"] for m in committee.record["training"]] == [20, 20]
    energy = committee.predict(labelled[:4], device="cpu").energy.mean(axis=0)
    # it evaluates as the head of this level, whose E0 are this level's
    assert np.abs((energy - labelled[:4].energy) / 4).max() < 1.5


@slow
def test_after_a_second_head_training_goes_on_with_the_own_one(
    labelled: PESData,
    parameters: Make,
    foundation: Callable[[str], Path],
    committee_of: Callable[..., Committee],
    tmp_path: Path,
) -> None:
    """Not with that of the foundation model, whose replayed energies are 3 eV per atom higher."""
    start = replaying_higher(
        labelled,
        foundation("mace"),
        tmp_path,
        each_iteration=False,
        bootstrap=False,
        reinitialise_readouts=False,
    )
    arguments = labelled, tmp_path / "workspace"
    learning = parameters(members=2, steps=5, start=start, loss="universal")
    first = committee_of(*arguments, learning, 7, 1)
    standing = parameters(members=2, steps=3, start=start, loss="universal", lr=NOT_LEARNING)
    second = committee_of(*arguments, standing, 7, 2, previous=first)
    for before, after in zip(first.members, second.members, strict=True):
        assert list(load(after.path).heads) == ["Default"]
        for one, other in zip(
            before.evaluate(labelled[:3]), after.evaluate(labelled[:3]), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-6)


@slow
def test_which_structures_are_replayed_derives_from_the_seed(
    labelled: PESData, parameters: Make, foundation: Callable[[str], Path], tmp_path: Path
) -> None:
    labelled[:15].write(tmp_path / "replay.h5")
    start = {
        "type": "foundation",
        "model": str(foundation("mace")),
        "method": "multihead",
        "replay": str(tmp_path / "replay.h5"),
        "replay_structures": 10,
    }
    chosen = parameters(members=2, start=start)
    drawn = [
        starts(chosen, Committee(()), 2, seed=seed)[0].replay.id.tolist() for seed in (7, 7, 8)
    ]
    assert len(set(drawn[0])) == 10
    assert drawn[0] == drawn[1] != drawn[2]


@slow
def test_a_head_that_the_model_does_not_have_is_refused_before_anything_runs(
    parameters: Make, foundation: Callable[[str], Path]
) -> None:
    start = {"type": "foundation", "model": str(foundation("mace"))}
    parameters(start=start | {"head": "Default"}).verify()
    with pytest.raises(InputError, match=r"start.head = 'omat': the model has the heads Default"):
        parameters(start=start | {"head": "omat"}).verify()


def test_a_method_without_what_it_needs_is_refused() -> None:
    with pytest.raises(InputError, match="method `multihead` needs `replay`"):
        FoundationStart.model_validate(
            {"type": "foundation", "model": "small", "method": "multihead"}
        )


@slow
@backends
def test_a_species_that_the_foundation_model_does_not_know_is_told_before_the_run(
    backend: str,
    labelled: PESData,
    of_backend: Make,
    foundation: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    gold = labelled.replace(numbers=np.where(np.arange(len(labelled.numbers)) % 4, 29, 79))
    parameters = of_backend(backend)
    model = parameters.trainer.restartable(foundation(backend))
    parameters = of_backend(backend, start={"type": "foundation", "model": str(model)})
    with pytest.raises(InputError, match=r"foundation model .* does not know Au \(it knows Cu\)"):
        train_members(gold, tmp_path / "workspace", parameters, 7, 1)
    assert not (tmp_path / "workspace").exists()


@slow
@backends
def test_a_model_of_another_kind_is_refused(
    backend: str, labelled: PESData, of_backend: Make, foundation: Callable[[str], Path]
) -> None:
    other = foundation("soap_bpnn" if backend == "mace" else "mace")
    parameters = of_backend(backend, start={"type": "foundation", "model": str(other)})
    with pytest.raises(InputError, match=r"model.* is an? .*; needed is a "):
        train_members(labelled, Path("nowhere"), parameters, 7, 1)


def test_a_name_that_nobody_knows_is_refused(labelled: PESData, parameters: Make) -> None:
    chosen = parameters(start={"type": "foundation", "model": "enormous"})
    with pytest.raises(InputError, match=r"'enormous': neither a file nor a model of MACE's \(sma"):
        train_members(labelled, Path("nowhere"), chosen, 7, 1)


@slow
@pytest.mark.parametrize("backend", ["mace", "soap_bpnn"])
def test_members_go_on_from_their_own_last_iteration(
    backend: str,
    labelled: PESData,
    of_backend: Make,
    committee_of: Callable[..., Committee],
    tmp_path: Path,
) -> None:
    """By the committee's folder, as a campaign keeps it."""
    from potwright.potentials import load_committee

    parameters = of_backend(backend, members=2, start={"type": "warm", "optimiser_steps": 3})
    first = committee_of(labelled, tmp_path / "workspace", parameters, 7, 1)
    assert [m["started_from"] for m in first.record["training"]] == ["scratch"] * 2
    assert first.record["training"][0]["optimiser_steps"] > 3
    assert first.record["trained_on"] == first.record["training"][0]["trained_on"]
    # as of a committee that a campaign began with, and that knew its validation set
    before = [
        {**m, "trained_on": [*m["trained_on"], labelled.id[12 + n]]}
        for n, m in enumerate(first.record["training"])
    ]
    Committee(first.members, {**first.record, "training": before}).save(tmp_path / "committee")
    previous = load_committee(tmp_path / "committee")
    arguments = labelled, tmp_path / "workspace", parameters, 7, 2
    second = committee_of(*arguments, previous=previous)
    trained = second.record["training"]
    files = [parameters.trainer.restartable(member.path) for member in previous.members]
    assert [m["started_from"] for m in trained] == list(map(str, files))
    assert [m["optimiser_steps"] for m in trained] == [3, 3]
    # each has drawn structures of its own, and what its weights had seen before counts as seen
    drawn = [set(t.training.id) for t in member_tasks(*arguments, previous=previous)]
    assert drawn[0] != drawn[1]
    for own, member, inherited in zip(drawn, trained, before, strict=True):
        assert set(member["trained_on"]) == own | set(inherited["trained_on"])
    assert set(second.record["trained_on"]) == set(labelled.id[:14])


@slow
def test_where_only_the_union_is_known_each_member_has_seen_it(
    parameters: Make, trained: Any
) -> None:
    files = [member.path for member in trained.committee.members[:2]]
    for record in ({"trained_on": ["a", "b"]}, {"trained_on": ["a", "b"], "training": [{}, {}]}):
        found = starts(
            parameters(start={"type": "warm"}), of_record(parameters(), record, files), 2
        )
        assert [one.trained_on for one in found] == [("a", "b")] * 2


def of_record(parameters: TrainingParameters, record: dict[str, Any], files: list[Path]) -> Any:
    backend = parameters.trainer.type
    return Committee(tuple(ModelFile(file, backend) for file in files), record)


def starts(
    parameters: TrainingParameters, previous: Committee, members: int, seed: int = 7
) -> list[Any]:
    return member_starts(
        parameters.start,
        previous,
        parameters.trainer,
        species=[29],
        members=members,
        folder=Path("nowhere"),
        seed=seed,
    )


@slow
def test_who_lost_its_last_iteration_starts_from_another_member(
    parameters: Make, trained: Any, caplog: pytest.LogCaptureFixture
) -> None:
    files = [member.path for member in trained.committee.members]
    record = {"backend": "mace", "training": [{"member": 0}, {"member": 2}]}
    previous = of_record(parameters(), record, [files[0], files[2]])
    found = starts(parameters(start={"type": "warm"}), previous, 3)
    assert [one.model for one in found] == [files[0], files[2], files[2]]
    assert "has no member 1" in caplog.text


@slow
def test_a_foundation_model_once_or_in_each_iteration(
    parameters: Make, trained: Any, foundation: Callable[[str], Path]
) -> None:
    name = str(foundation("mace"))
    for each in (True, False):
        start = {"type": "foundation", "model": name, "each_iteration": each}
        chosen = parameters(start=start)
        assert [one.model for one in starts(chosen, Committee(()), 2)] == [Path(name)] * 2
        later = [one.model for one in starts(chosen, trained.committee, 2)]
        own = [member.path for member in trained.committee.members[:2]]
        assert later == ([Path(name)] * 2 if each else own)


@slow
def test_a_committee_of_another_backend_is_no_start(metatrain: Make, trained: Any) -> None:
    with pytest.raises(InputError, match="previous committee is of mace, and members of metatrain"):
        starts(metatrain(start={"type": "warm"}), trained.committee, 2)


def test_what_a_start_is_names_the_members_folder(
    labelled: PESData, parameters: Make, tmp_path: Path
) -> None:
    models = [tmp_path / "one", tmp_path / "other"]
    for number, model in enumerate(models):
        model.write_bytes(bytes([number]))
    different = [
        None,
        MemberStart(models[0]),
        MemberStart(models[1]),
        MemberStart(models[0], reinitialise_readouts=False),
        MemberStart(models[0], method="multihead", replay=labelled),
        MemberStart(models[0], method="multihead", replay=labelled[:4]),
    ]
    folders = {
        member_task(training_set(labelled), tmp_path, parameters(), 1, 0, start=start).folder
        for start in different
    }
    assert len(folders) == len(different)


def grouped(sizes: list[int]) -> PESData:
    """Labelled copper crystals in groups of these sizes."""
    crystals: list[Atoms] = []
    for number in range(sum(sizes) + 1):
        atoms = bulk("Cu", a=3.5 + number / 100)
        atoms.info["REF_energy"] = -1.0
        crystals.append(atoms)
    groups = [*np.repeat(np.arange(len(sizes)), sizes).astype(str), "validation"]
    return PESData.from_atoms(
        crystals,
        labels="REF_",
        group=groups,
        split=["training"] * sum(sizes) + ["validation"],
        iteration=1,
    )


def test_a_bootstrap_draws_whole_groups_with_replacement() -> None:
    """Of n groups a fraction of (1 − 1/n)ⁿ ≈ 1/e is not drawn."""
    sizes = [1, 2, 3] * 40
    data = training_set(grouped(sizes))
    absent = []
    for seed in range(20):
        drawn = bootstrap(data, np.random.default_rng(seed)).training
        groups, counts = np.unique(drawn.group, return_counts=True)
        times = counts / np.array(sizes)[groups.astype(int)]
        assert (times == np.round(times)).all() and times.sum() == len(sizes)
        absent.append(1 - len(groups) / len(sizes))
    assert np.mean(absent) == pytest.approx(np.exp(-1), abs=0.02)


def test_only_other_starts_than_scratch_draw_by_default(parameters: Make) -> None:
    foundation = {"type": "foundation", "model": "small"}
    for start, draws in (
        ({"type": "scratch"}, False),
        ({"type": "warm"}, True),
        (foundation, True),
    ):
        assert parameters(start=start).start.bootstrap is draws


def test_labels_for_nothing_that_is_trained_are_refused(
    labelled: PESData, parameters: Make, caplog: pytest.LogCaptureFixture
) -> None:
    without = labelled.replace(stress=np.full((len(labelled), 6), np.nan))
    with pytest.raises(
        InputError, match=r"stress is trained, but none of the 12 .*`settings.loss: weighted`"
    ):
        train_members(without, Path("nowhere"), parameters(), 7, 1)
    forceless = labelled.replace(forces=np.full_like(labelled.forces, np.nan))
    with pytest.raises(InputError, match=r"forces is trained, but none of the 12 structures"):
        train_members(forceless, Path("nowhere"), parameters(), 7, 1)
    from potwright.pipelines.training.training_set import refuse_missing_labels

    some = labelled.stress.copy()
    some[:5] = np.nan
    with caplog.at_level(logging.WARNING):
        data = training_set(labelled.replace(stress=some))
        refuse_missing_labels(data, parameters().trainer)
    assert "5 of 12 structures of the training set have no label for stress" in caplog.text
