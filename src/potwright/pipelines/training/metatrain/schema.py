"""metatrain's own schema of settings, read without importing torch.

Each architecture documents its settings as typed dictionaries with defaults, in a module that needs
little but types; what it imports from the rest of metatrain, hence torch, is replaced by stand-ins
which accept anything. metatrain itself checks those parts when a member's training begins.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import typing_extensions
from pydantic import TypeAdapter, ValidationError

from potwright.parameters import unknown_key

SECTIONS = {"model": "ModelHypers", "training": "TrainerHypers"}
OWN_SETTINGS = {
    "num_epochs": "see `epochs` and `optimiser_steps`",
    "atomic_baseline": "energies of isolated atoms, or fitted ones",
    "log_interval": "each epoch is logged, so that what ran can be read back",
    "finetune": "see `start`",
    "distributed": "a member is trained by one process",
}
OWN_SETTINGS_OF_WRAPPERS = {
    "model_checkpoint": "the member that it wraps",
    "distributed": "a member is trained by one process",
}


def check_settings(architecture: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings that this architecture of metatrain does not have, or values of other types.

    Raises
    ------
    ValueError
        Naming the setting, and the nearest one that there is.
    """
    for section in settings:
        if section not in SECTIONS:
            raise ValueError(unknown_key(section, list(SECTIONS)))
    for section, given in settings.items():
        if not isinstance(given, Mapping):
            raise ValueError(f"{section} = {given!r}: must be a block of settings")
        decided = OWN_SETTINGS_OF_WRAPPERS if architecture == "llpr" else OWN_SETTINGS
        own = sorted(set(given) & set(decided))
        if own and section == "training":
            raise ValueError(f"'{section}.{own[0]}' is set by Potwright itself ({decided[own[0]]})")
        _check(given, hypers(architecture)[SECTIONS[section]], section)


def known_settings(architecture: str, section: str) -> dict[str, Any]:
    """Names and types of a section's settings."""
    return dict(hypers(architecture)[SECTIONS[section]].__annotations__)


def default(architecture: str, section: str, name: str) -> Any:
    """The value that a setting has in metatrain where none is given."""
    return getattr(hypers(architecture)[SECTIONS[section]], name)


@cache
def hypers(architecture: str) -> dict[str, Any]:
    """The names that an architecture's documentation defines, typed dictionaries among them."""
    package = importlib.util.find_spec("metatrain")
    if package is None or package.submodule_search_locations is None:
        raise ModuleNotFoundError("metatrain is not installed: pip install metatrain")
    folder = Path(package.submodule_search_locations[0]) / architecture
    tree = ast.parse((folder / "documentation.py").read_text())
    kept = [node for node in tree.body if not _is_metatrains(node)]
    names: dict[str, Any] = {"__name__": f"_potwright_{architecture}_documentation"}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and _is_metatrains(node):
            names |= {alias.asname or alias.name: Any for alias in node.names}
    names["init_with_defaults"] = _defaults
    source = str(folder / "documentation.py")
    exec(compile(ast.Module(kept, []), source, "exec", dont_inherit=True), names)
    return names


def _is_metatrains(node: ast.stmt) -> bool:
    """Whether a statement imports a part of metatrain."""
    return isinstance(node, ast.ImportFrom) and (
        node.level > 0 or str(node.module).startswith("metatrain")
    )


def _defaults(described: Any) -> dict[str, Any]:
    return {} if described is Any else {k: v for k, v in vars(described).items() if k[0] != "_"}


def _check(given: Mapping[str, Any], described: Any, place: str) -> None:
    types = described.__annotations__
    for name, value in given.items():
        key = f"{place}.{name}"
        if name not in types:
            raise ValueError(f"{place}.{unknown_key(name, list(types))}")
        if typing_extensions.is_typeddict(types[name]):
            if not isinstance(value, Mapping):
                raise ValueError(f"{key} = {value!r}: must be a block of settings")
            _check(value, types[name], key)
        else:
            _check_value(value, types[name], key)


def _check_value(value: Any, type_: Any, key: str) -> None:
    if typing_extensions.get_origin(type_) in (
        typing_extensions.NotRequired,
        typing_extensions.Required,
    ):
        (type_,) = typing_extensions.get_args(type_)
    try:
        TypeAdapter(type_).validate_python(value, strict=True)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise ValueError(f"{key} = {value!r}: {message}") from error
