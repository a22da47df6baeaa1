"""Which lines of other packages' logs do not reach the user."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

UNHELPFUL = {
    "Using synchronous mode": "Kedro: advice about an option that nodes here do not need",
    "nodes that have not run": "Kedro: advice on resuming; repeating the same command is enough",
    "ORJSONResponse is deprecated": "FastAPI, about code of Kedro-Viz",
}
"""Part of the message, and whose it is and why it is silenced."""


class Helpful(logging.Filter):
    """Lets everything pass but what :data:`UNHELPFUL` names."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is to be shown."""
        return not any(part in str(record.msg) for part in UNHELPFUL)


def drop_unhelpful_lines() -> None:
    """Add the filter to the handlers of the root logger; Kedro's YAML cannot name one of ours."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, Helpful) for known in handler.filters):
            handler.addFilter(Helpful())


@contextmanager
def quiet_nodes() -> Iterator[None]:
    """Without Kedro's lines about each node."""
    runner = logging.getLogger("kedro.runner")
    level = runner.level
    runner.setLevel(logging.WARNING)
    try:
        yield
    finally:
        runner.setLevel(level)
