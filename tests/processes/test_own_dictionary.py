"""A running exchange with a dictionary of its operator's own."""

from pathlib import Path

from exchange_process import CONFIG, ExchangeProcess
from fix_client import FixClient

OWN = """<fix type="FIX" major="4" minor="4">
  <messages>
    <message name="NewOrderSingle" msgtype="D" msgcat="app"><field name="Desk" required="Y"/></message>
    <message name="Ping" msgtype="PING" msgcat="app"><field name="ClOrdID" required="Y"/></message>
  </messages>
  <fields>
    <field number="6001" name="Desk" type="STRING"><value enum="RATES"/><value enum="FX"/></field>
  </fields>
</fix>"""
TIME = "20260102-03:04:05"


def test_messages_are_judged_by_it(tmp_path: Path) -> None:
    (tmp_path / "own.xml").write_text(OWN)
    config = f'{CONFIG}\n[fix]\ndictionary = "{tmp_path}/own.xml"\n'
    order: list[tuple[int, object]] = [(55, "AAPL"), (54, 1), (38, 1), (40, 2), (44, "10.00"), (60, TIME)]
    with (
        ExchangeProcess(tmp_path, config=config) as exchange,
        FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice,
    ):
        alice.logon()
        alice.send("D", (11, "a"), *order)
        missing = alice.expect("3")
        alice.send("D", (11, "b"), *order, (6001, "EQ"))
        unknown = alice.expect("3")
        alice.send("D", (11, "c"), *order, (6001, "FX"))
        report = alice.expect("8")
        alice.send("PING", (1, "x"))
        judged = alice.expect("3")
        alice.send("PING", (11, "x"))
        refused = alice.expect("j")
    assert (missing[371], missing[373], missing[58]) == ("6001", "1", "Required tag missing: Desk (6001)")
    assert (unknown[371], unknown[373]) == ("6001", "5")
    assert (report[11], report[150]) == ("c", "0")
    assert (judged[371], judged[372], judged[373]) == ("1", "PING", "2")
    assert (refused[372], refused[380]) == ("PING", "3")
