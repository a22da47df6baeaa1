"""What a command says when the user has made a mistake."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import yaml
from kedro.io import DatasetError
from kedro.validation import ParameterValidationError

from potwright.errors import InputError, in_words

READABLE = (InputError, DatasetError, ParameterValidationError, yaml.YAMLError)


def readable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a mistake of the user's into one message and exit status 1."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except READABLE as error:
            raise click.ClickException(in_words(error)) from error

    return command
