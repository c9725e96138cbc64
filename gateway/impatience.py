"""What is said to who waits for an exchange that does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

import click

from gateway.client_search import GUESSES
from gateway.config import ConfigError
from gateway.locate import Place
from gateway.replicas import WORD_SECONDS

NOTHING_YET = "no answer yet; quorumbook status shows how the exchange is"


@contextmanager
def impatient(place: Place, comp_id: str) -> Iterator[None]:
    """Says why there may be no answer for this session: after a moment, and when there is none."""
    timer = Timer(WORD_SECONDS, lambda: click.echo(f"waiting: {place.unled() or NOTHING_YET}", err=True))
    timer.start()
    try:
        with reasoned(place, comp_id):
            yield
    finally:
        timer.cancel()


@contextmanager
def reasoned(place: Place, comp_id: str) -> Iterator[None]:
    """Who gets no answer is told the reason, where it is known, in place of guesses."""
    try:
        yield
    except (ConnectionError, TimeoutError) as error:
        why = place.refusal(comp_id) or place.unled()
        if why is None:
            raise
        raise ConfigError(f"{str(error).partition(GUESSES)[0]}; {why}") from None
