"""What the parameter models of all stages share: frozen, strict, and clear about mistakes.

A stage's model derives from :class:`Parameters`; Kedro validates it before anything runs, because
the stage's nodes are annotated with it.
"""

from __future__ import annotations

import difflib
import types
import typing
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from potwright.errors import InputError


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
    lines = []
    for mistake in error.errors(include_url=False):
        location = [str(part) for part in mistake["loc"]]
        key = ".".join(location)
        if mistake["type"] == "extra_forbidden":
            allowed = _keys_at(model, location[:-1])
            lines.append(f"{key}: unknown key{_suggestion(location[-1], allowed)}")
        elif mistake["type"] == "missing":
            lines.append(f"{key}: required, but not given")
        else:
            lines.append(f"{key or 'this block'} = {mistake['input']!r}: {mistake['msg']}")
    return "\n".join(lines)


def unknown_key(key: str, allowed: list[str]) -> str:
    """One line for a key that nothing reads."""
    return f"{key}: unknown key{_suggestion(key, allowed)}"


def _suggestion(key: str, allowed: list[str]) -> str:
    nearest = difflib.get_close_matches(key, allowed, n=1, cutoff=0.4)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"{hint} (allowed: {', '.join(sorted(allowed))})" if allowed else hint


def _keys_at(model: type[BaseModel], location: list[str]) -> list[str]:
    """The keys that the block at ``location`` may have; a union's ``type`` is a part of it."""
    candidates: list[type[BaseModel]] = [model]
    for part in location:
        fields = [m.model_fields[part].annotation for m in candidates if part in m.model_fields]
        if fields:
            candidates = [m for annotation in fields for m in _models_in(annotation)]
        else:  # the tag of a discriminated union
            tagged = [m for m in candidates if _tag(m) == part]
            candidates = tagged or candidates
    return sorted({name for m in candidates for name in m.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (
        typing.Union,
        types.UnionType,
        typing.Annotated,
        list,
        tuple,
    ):
        return [m for inner in typing.get_args(annotation) for m in _models_in(inner)]
    return []


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("type")
    values = typing.get_args(field.annotation) if field else ()
    return values[0] if values else None
