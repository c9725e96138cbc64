"""durability = "memory": nothing is synced before it is acknowledged. It survives the process; of the machine's end the
next start is told."""

from pathlib import Path

import pytest
from exchange_process import CONFIG, ExchangeProcess
from fix_client import FixClient

MEMORY = CONFIG + '\n[storage]\ndurability = "memory"\n'


@pytest.mark.timeout(120)
def test_what_is_in_memory_survives_the_process_and_not_the_machine(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, config=MEMORY) as exchange:
        boot = exchange.data / "boot"
        with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
            alice.logon()
            alice.send_bytes(alice.order("a1", "buy", 5, "100.00"))
            alice.expect("8")
            exchange.kill()
        assert boot.exists()
        exchange.start()
        status = exchange.ask(command="status")
        assert status["live_orders"] == 1
        assert status["storage"]["durability"] == "memory"
        assert exchange.stop() == 0
        assert not boot.exists()
        exchange.start()
        exchange.kill()
        boot.write_text("another start of the machine")
        with pytest.raises(AssertionError, match="this machine was started again since"):
            exchange.start()
