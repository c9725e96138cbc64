import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess
from namespaces import Network


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """A running exchange of its own."""
    with ExchangeProcess(tmp_path) as running:
        yield running


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """Three machines, or as many as a test names; for replicas on them that talk over TLS."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    try:
        with Network(getattr(request, "param", 3)) as made:
            yield made
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces cannot be made here: {getattr(error, 'stderr', '') or error}")


@pytest.fixture
def filtered(network: Network) -> Network:
    """One whose packets can be filtered."""
    try:
        network.filter(1, "list ruleset")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"nftables does not work here: {error.stderr}")
    return network
