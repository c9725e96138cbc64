from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """A running exchange of its own."""
    with ExchangeProcess(tmp_path) as running:
        yield running
