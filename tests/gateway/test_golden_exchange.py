"""The golden logs: what a rules version made of these entries, it makes of them for ever, byte for byte.

A test that fails here means that logs in the world would no longer replay to their state. New rules get a new version
and golden logs of their own (golden_log.py); these stay as they are.
"""

from collections import Counter

import golden_log
import pytest
from fix_records import EGRESS_HEAD, read

from gateway import inputs
from gateway.exchange import Exchange

FILES = sorted(golden_log.GOLDEN.glob("rules_*.json.gz"))
LOGS = [
    (path.name.split(".")[0], name, *log) for path in FILES for name, log in golden_log.read(path).items()
]
PARAMETERS = [
    pytest.param(entries, recorded, id=f"{rules}-{name}") for rules, name, entries, recorded in LOGS
]


def test_the_rules_of_this_version_have_golden_logs() -> None:
    assert golden_log.GOLDEN / f"rules_{inputs.RULES_VERSION}.json.gz" in FILES
    with pytest.raises(FileExistsError):
        golden_log.write()


@pytest.mark.parametrize(("entries", "recorded"), PARAMETERS)
def test_a_golden_log_replays_byte_for_byte(
    entries: list[tuple[int, int, bytes]], recorded: dict[str, object]
) -> None:
    assert golden_log.replayed(entries) == recorded


@pytest.mark.parametrize(("entries", "recorded"), PARAMETERS)
def test_a_golden_log_in_one_batch_leads_to_its_state(
    entries: list[tuple[int, int, bytes]], recorded: dict[str, object]
) -> None:
    exchange = Exchange()
    exchange.begin_all(
        [(index, term, time, payload, b"") for index, (term, time, payload) in enumerate(entries, 1)]
    )
    while not exchange.step(97):
        pass
    assert exchange.state_hash() == recorded["state"]
    with exchange.egress() as view:
        assert bytes(view) == recorded["egress"]


def test_the_golden_traffic_holds_every_kind_of_answer() -> None:
    kinds: Counter[tuple[int, ...]] = Counter()
    for _, name, _, recorded in LOGS:
        data, at = recorded["egress"], 0
        while name == "traffic" and at < len(data):
            size = int.from_bytes(data[at : at + 4], "little")
            head, _ = read(EGRESS_HEAD, data[at : at + size], 0)
            kinds[head["kind"], head["msg_type"]] += 1
            at += size
    assert {chr(kind) for what, kind in kinds if what == 1} >= set("0123589Ajr")
    assert {what for what, _ in kinds} == {1, 2, 3, 4, 5}
