"""Diagnostics: one JSON object a line (people get columns on a terminal). Never on the path of an order."""

from collections.abc import MutableMapping
from typing import Any, TextIO

import msgspec
import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Writer:
    """What structlog writes lines to. A trace that cannot be written must not stop an exchange: it is counted."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def line(self, message: str) -> None:
        try:
            print(message, file=self._stream, flush=True)
        except OSError:
            self.lost += 1

    debug = info = warning = error = line


def rendered(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def tracer(stream: TextIO, level: str) -> structlog.typing.FilteringBoundLogger:
    """A logger that writes to `stream`: columns when it is a terminal, JSON lines otherwise."""
    last: structlog.typing.Processor = structlog.dev.ConsoleRenderer() if stream.isatty() else rendered
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        Writer(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
    return logger
