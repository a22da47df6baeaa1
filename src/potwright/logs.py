"""Which lines of other packages' logs do not reach the user."""

from __future__ import annotations

import logging

from kedro.logging import RichHandler

UNHELPFUL = {
    "Using synchronous mode": "Kedro: advice about an option that nodes here do not need",
    "nodes that have not run": "Kedro: advice on resuming; repeating the same command is enough",
    "ORJSONResponse is deprecated": "FastAPI, about code of Kedro-Viz",
}
"""Part of the message, and whose it is and why it is silenced."""


class HelpfulHandler(RichHandler):
    """Kedro's handler, without the lines that :data:`UNHELPFUL` names."""

    def filter(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        """Whether ``record`` is to be shown."""
        if any(part in str(record.msg) for part in UNHELPFUL):
            return False
        return super().filter(record)
