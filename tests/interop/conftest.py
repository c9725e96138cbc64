from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cluster_processes import at_tcp_port
from exchange_process import CONFIG, ExchangeProcess
from quickfix_desk import QuickFixDesk


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """A running exchange of its own."""
    with ExchangeProcess(tmp_path, config=at_tcp_port(CONFIG)) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., QuickFixDesk]]:
    """Starts desks on QuickFIX. They check every message against the dictionary, and may find nothing."""
    if find_spec("quickfix") is None:
        pytest.skip("QuickFIX is not installed: `make test-interop` builds it, once, in ten minutes")
    made: list[QuickFixDesk] = []

    def start(comp_id: str, *ports: int, **changed: Any) -> QuickFixDesk:
        made.append(QuickFixDesk(comp_id, ports, tmp_path / comp_id, **changed))
        return made[-1].start()

    yield start
    for one in made:
        one.kill()
    assert [one.objections() for one in made] == [[]] * len(made)
