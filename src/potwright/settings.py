"""Kedro's settings of this project."""

from potwright.configuration import ConfigLoader
from potwright.hooks import (
    LabelStoreHooks,
    MissingDataHooks,
    ParameterHooks,
    RunRecordHooks,
    SpeciesHooks,
    StartHooks,
)
from potwright.logs import drop_unhelpful_lines

drop_unhelpful_lines()

HOOKS = (
    ParameterHooks(),
    RunRecordHooks(),
    LabelStoreHooks(),
    SpeciesHooks(),
    StartHooks(),
    MissingDataHooks(),
)

CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # an overlay that sets one key keeps its siblings; Kedro's default drops them
    "merge_strategy": {"parameters": "soft"},
}
