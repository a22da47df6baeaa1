"""The reference of all parameters: what the models know, and the comments of the YAML files."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comments import Comments, read_comments

from potwright.configuration import ProjectParameters
from potwright.parameters import Parameters, _models_in

CONF = Path(__file__).parents[2] / "conf" / "base"
INTRODUCTION = """# Parameters

Every parameter that there is, made from the models that check them and from the comments in
`conf/base`. [Configuration](configuration.md) says where to set them. A default is that of the
code; `conf/base` holds the same unless its comment says otherwise.
"""
LONG = 60  # characters of a default in a table
HEAD = "| key | value | default | meaning |\n|---|---|---|---|"


def reference() -> str:
    """The page, in Markdown."""
    known = Comments()
    for path in sorted(CONF.glob("parameters*.yml")):
        read = read_comments(path)
        known.of_key |= read.of_key
        known.of_type |= read.of_type
    parts = [INTRODUCTION]
    for name, field in ProjectParameters.model_fields.items():
        models = _models_in(field.annotation)
        parts.append(f"\n## {name}\n")
        if models:
            parts.append(_paragraph(models[0]) + "\n")
            parts += _tables(models[0], name, known)
        else:
            parts += [HEAD, _row(name, name, field, known.of_key.get(name, ""))]
    return "\n".join(parts) + "\n"


def _tables(model: type[Parameters], prefix: str, known: Comments, kind: str = "") -> list[str]:
    """A table of a model's own keys; after it those of blocks inside that have types."""
    rows, later = [], []
    for key, name, field, models in _fields(model, prefix):
        said = known.of_key.get(key, "")
        if kind:
            inner = key.removeprefix(f"{prefix}.")
            said = known.of_type.get((prefix, kind, inner), "") or said
        said = said or _attribute(model, name)
        rows.append(_row(key, name, field, said))
        for one in models:
            tag = typing.get_args(one.model_fields["type"].annotation)[0]
            later.append(f"\n### {key}: {tag}\n")
            about = known.of_type.get((key, tag, "type"), "")
            later += [f"{_paragraph(one)} {about}".strip() + "\n", *_tables(one, key, known, tag)]
    return [HEAD, *rows, *later]


def _fields(
    model: type[Parameters], prefix: str
) -> Iterator[tuple[str, str, Any, list[type[Parameters]]]]:
    """Key, name, field, and the models of a block with types; blocks without are gone into."""
    for name, field in model.model_fields.items():
        key, models = f"{prefix}.{name}", _models_in(field.annotation)
        typed = [m for m in models if "type" in m.model_fields]
        kinds = {typing.get_origin(a) for a in _parts(field.annotation)}
        by_name, listed = dict in kinds, bool({tuple, list} & kinds)
        if (by_name or listed) and models and not typed:
            yield key, name, field, []
            yield from _fields(models[0], f"{key}.NAME" if by_name else f"{key}[]")
        elif models and not typed and len(models) == 1:
            yield from _fields(models[0], key)
        else:
            yield key, name, field, [] if by_name else typed


def _parts(annotation: Any) -> tuple[Any, ...]:
    """An annotation, and what it is a union of or annotates."""
    return (annotation, *typing.get_args(annotation))


def _row(key: str, name: str, field: Any, said: str) -> str:
    default = (
        "required" if field.is_required() else _value(field.get_default(call_default_factory=True))
    )
    cells = (f"`{key}`", type_name(field.annotation), default, said)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def type_name(annotation: Any) -> str:
    """A type in the words of a YAML file.

    >>> type_name(tuple[float, float] | None)
    'list of number, or null'
    """
    if models := _models_in(annotation):
        tags = [
            typing.get_args(m.model_fields["type"].annotation)
            for m in models
            if "type" in m.model_fields
        ]
        return f"block of type {', '.join(f'`{tag[0]}`' for tag in tags)}" if tags else "block"
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        names = [type_name(one) for one in inner if one is not type(None)]
        nullable = ["or null"] if type(None) in inner else []
        return ", ".join([" or ".join(dict.fromkeys(names)), *nullable])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (tuple, list, frozenset, set):
        return f"list of {type_name(inner[0])}"
    plain = {float: "number", int: "integer", str: "text", bool: "true or false", dict: "mapping"}
    return (
        type_name(inner[0])
        if origin is typing.Annotated
        else plain.get(origin or annotation, "anything")
    )


def _value(value: Any) -> str:
    if isinstance(value, Parameters):
        return f"`{getattr(value, 'type', 'as below')}`"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if "Parameters(" in repr(value) or (
        isinstance(value, tuple | dict) and len(repr(value)) > LONG
    ):
        return "as in `conf/base`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{value}`"


def _paragraph(model: type[Parameters]) -> str:
    """The first paragraph of a docstring."""
    text = (model.__doc__ or "").partition("\n\n")[0]
    return _markdown(text)


def _markdown(text: str) -> str:
    """Code as Markdown has it, in one line."""
    return re.sub(r"(?::\w+:`~?|``)([^`]*)``?", r"`\1`", " ".join(text.split()))


def _attribute(model: type[Parameters], name: str) -> str:
    """What the docstring of a model says of an attribute."""
    _, _, attributes = (model.__doc__ or "").partition("----------\n")
    entries = re.findall(r"^ {4}(\w[\w, ]*)\n((?: {8}.*\n|\n)+)", attributes + "\n", re.MULTILINE)
    for names, text in entries:
        if name in re.split(r", *", names):
            return _markdown(text)
    return ""


if __name__ == "__main__":
    print(reference())
