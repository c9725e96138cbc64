"""Where the console command begins. It imports next to nothing: the command line takes a tenth of a second to import,
and Ctrl-C meanwhile is to end it quietly."""

import os
import signal
from typing import Any

INTERRUPTED = 130


def main() -> None:
    catches = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # or it was told to ignore that
    if catches:
        signal.signal(signal.SIGINT, leave)
    from gateway import cli

    if catches:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


def leave(*_: Any) -> None:
    os._exit(INTERRUPTED)
