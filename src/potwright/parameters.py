"""What the parameter models of all stages share: frozen, strict, and clear about mistakes.

A stage's model derives from :class:`Parameters`; Kedro validates it before anything runs, because
the stage's nodes are annotated with it.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from potwright.errors import InputError


def _is_device(device: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError("must be auto, cpu, cuda, or cuda:N for the GPU of number N")
    return device


Device = Annotated[str, AfterValidator(_is_device)]
"""Where potentials compute: ``auto`` (GPUs where there are any), ``cpu``, ``cuda``, ``cuda:N``."""


class Parameters(BaseModel):
    """Base of every block of parameters: unknown keys are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def model_validate(cls, obj: Any, **kwargs: Any) -> Self:
        """Validate, and say what is wrong in the words of the YAML file.

        Raises
        ------
        InputError
            One line per mistake: key, value, what is allowed, and the nearest valid key.
        """
        try:
            return super().model_validate(obj, **kwargs)
        except ValidationError as error:
            raise InputError(describe(error, cls)) from error


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The mistakes that ``error`` holds, one line each, with the nearest valid key."""
    return "\n".join(_in_words(mistake, model) for mistake in error.errors(include_url=False))


def _in_words(mistake: Any, model: type[BaseModel]) -> str:
    key, blocks = _locate(model, [str(part) for part in mistake["loc"]])
    match mistake["type"]:
        case "extra_forbidden":
            name = key.rpartition(".")[2]
            return f"{key}: unknown key{_suggestion(name, _keys_of(blocks))}"
        case "missing":
            return f"{key}: required, but not given"
        case "literal_error":
            given, allowed = mistake["input"], mistake["ctx"]["expected"]
            names = re.findall(r"'([^']*)'", allowed)
            return f"{key} = {given!r}: must be {allowed}{_nearest(str(given), names)}"
        case "union_tag_invalid" | "union_tag_not_found":
            tag = mistake["ctx"].get("tag", "")
            return f"{key}.type = {tag!r}: no such type{_suggestion(tag, _tags_of(blocks))}"
    value = "" if isinstance(mistake["input"], dict) else f" = {mistake['input']!r}"
    return f"{key or 'this block'}{value}: {mistake['msg'].removeprefix('Value error, ')}"


def unknown_key(key: str, allowed: list[str]) -> str:
    """One line for a key that nothing reads."""
    return f"{key}: unknown key{_suggestion(key, allowed)}"


def _suggestion(key: str, allowed: list[str]) -> str:
    hint = _nearest(key, allowed)
    return f"{hint} (allowed: {', '.join(sorted(allowed))})" if allowed else hint


def _nearest(name: str, allowed: list[str]) -> str:
    nearest = difflib.get_close_matches(name, allowed, n=1, cutoff=0.4)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _locate(model: type[BaseModel], location: list[str]) -> tuple[str, list[type[BaseModel]]]:
    """The key as the YAML file has it, and the models that the innermost block there may have.

    In pydantic's location, the tag of a discriminated union is a part of its own.
    """
    key, candidates = [], [model]
    for part in location:
        fields = [m.model_fields[part].annotation for m in candidates if part in m.model_fields]
        tagged = [m for m in candidates if _tag(m) == part]
        if tagged and not fields:
            candidates = tagged
            continue
        key.append(part)
        inner = [m for annotation in fields for m in _models_in(annotation)]
        candidates = inner or candidates
    return ".".join(key), candidates


def _keys_of(blocks: list[type[BaseModel]]) -> list[str]:
    return sorted({name for block in blocks for name in block.model_fields})


def _tags_of(blocks: list[type[BaseModel]]) -> list[str]:
    return [tag for tag in map(_tag, blocks) if tag]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (
        typing.Union,
        types.UnionType,
        typing.Annotated,
        list,
        tuple,
        dict,
    ):
        return [m for inner in typing.get_args(annotation) for m in _models_in(inner)]
    return []


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("type")
    values = typing.get_args(field.annotation) if field else ()
    return values[0] if values else None
