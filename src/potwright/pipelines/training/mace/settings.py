"""The options of ``mace_run_train``, known without importing torch."""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

OWN_SETTINGS = {
    "name": "it names the members",
    "seed": "members' seeds derive from the project's `seed`",
    "train_file": "the training split",
    "valid_file": "the validation split",
    "test_file": "evaluation is a stage of its own",
    "E0s": "energies of isolated atoms, or fitted ones",
    "atomic_numbers": "the species of the labelled structures",
    "max_num_epochs": "see `epochs` and `optimiser_steps`",
    "device": "see `device` of the stage",
    "work_dir": "each member has a fresh folder",
    "model_dir": "each member has a fresh folder, where its model is looked for",
    "checkpoints_dir": "each member has a fresh folder, where its checkpoints are looked for",
    "results_dir": "each member has a fresh folder, where its log is looked for",
    "energy_key": "labels are written under keys of Potwright's own",
    "forces_key": "labels are written under keys of Potwright's own",
    "stress_key": "labels are written under keys of Potwright's own",
    "restart_latest": "a killed run goes on by itself",
    "save_all_checkpoints": "the model that validated best is the one that is kept",
    "foundation_model": "see `start`",
    "foundation_head": "see `start`",
    "foundation_filter_elements": "see `start`",
    "foundation_model_elements": "see `start`",
    "multiheads_finetuning": "see `method` of `start`",
    "force_mh_ft_lr": "settings hold whatever the start",
    "pt_train_file": "see `replay` of `start`",
    "pt_valid_file": "see `replay` of `start`",
    "num_samples_pt": "see `replay_structures` of `start`",
    "real_pt_data_ratio_threshold": "structures are not repeated, so that steps can be counted",
    "weight_pt_head": "MACE ignores it; see `replay_weight` of `start`",
}
REFUSED = {
    "lbfgs": "MACE takes one step per epoch with it, whatever `batch_size` says, and steps could "
    "not be compared; use one of MACE's `optimizer`s",
    "distributed": "a member is trained by one process",
    "dry_run": "it trains nothing",
}


@cache
def maces_parser() -> argparse.ArgumentParser:
    """MACE's own parser of options.

    Importing ``mace.tools`` takes seconds, because it imports torch; its parser needs nothing of
    that, so its module is loaded on its own.
    """
    package = importlib.util.find_spec("mace")
    if package is None or package.submodule_search_locations is None:
        raise ModuleNotFoundError("mace is not installed: pip install mace-torch")
    tools = Path(package.submodule_search_locations[0]) / "tools"
    stand_in = ModuleType("_potwright_mace_tools")
    stand_in.__path__ = [str(tools)]
    sys.modules[stand_in.__name__] = stand_in
    spec = importlib.util.spec_from_file_location(
        f"{stand_in.__name__}.arg_parser", tools / "arg_parser.py"
    )
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{tools}/arg_parser.py: MACE's parser is not where it was")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(argparse.ArgumentParser, module.build_default_arg_parser())


def known_settings() -> list[str]:
    """Names of all options."""
    return sorted(action.dest for action in maces_parser()._actions if action.dest != "help")


def arguments(settings: Mapping[str, Any]) -> list[str]:
    """The command line that these settings make.

    A flag takes no value: it is there if that gives what is wanted, be it true or false.
    """
    flags = _flags()
    return [
        f"--{key}" if key in flags else f"--{key}={value}"
        for key, value in settings.items()
        if key not in flags or value != flags[key].default
    ]


def check_values(settings: Mapping[str, Any]) -> None:
    """Let MACE's parser look at the values, before anything runs.

    Raises
    ------
    ValueError
        With the parser's own words; because a flag can only be set, and is set already; or because
        what the setting makes of a training could not be read back.
    """
    for key, reason in REFUSED.items():
        if settings.get(key):
            raise ValueError(f"{key}: cannot be used here: {reason}")
    if settings.get("swa") and "patience" in settings:
        raise ValueError(
            "swa: cannot be used with `patience`: MACE then skips epochs up to stage two, so that "
            "steps could not be counted; leave one of them out"
        )
    for key, action in _flags().items():
        if settings.get(key, action.default) not in (action.default, action.const):
            raise ValueError(f"{key}: is always {action.default} in MACE, which cannot change it")
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            maces_parser().parse_args(["--name=member", *arguments(settings)])
    except SystemExit as error:
        message = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise ValueError(message) from error


def _flags() -> dict[str, argparse.Action]:
    return {action.dest: action for action in maces_parser()._actions if action.nargs == 0}
