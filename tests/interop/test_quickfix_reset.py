"""QuickFIX as it comes over the daily reset: with the settings for it, and with those of an exchange that has none."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cluster_processes import at_tcp_port
from exchange_process import CONFIG, ExchangeProcess
from fix_client import FixClient
from quickfix_desk import TIME, QuickFixDesk

Start = Callable[..., QuickFixDesk]


@pytest.mark.timeout(300)
def test_a_new_day(tmp_path: Path, desk: Start) -> None:
    """Who logs out before it and begins at 1 behind it trades; who goes on is refused. Nothing is done twice."""
    reset = (datetime.now(UTC) + timedelta(seconds=80)).replace(second=0, microsecond=0)
    before, behind = reset - timedelta(seconds=5), reset + timedelta(seconds=3)
    genesis = (
        f'[exchange]\ndaily_reset = "{reset:%H:%M}"\n[[drop_copies]]\ncomp_id = "RISK"\nsessions = ["*"]\n'
    )
    with (
        ExchangeProcess(tmp_path / "exchange", config=at_tcp_port(CONFIG) + genesis) as exchange,
        FixClient("tcp", exchange.port("fix_tcp"), "RISK") as risk,
    ):
        risk.logon()
        goes_on = desk("GOESON", exchange.port("fix_tcp"))
        times = {"StartTime": f"{behind:%H:%M:%S}", "EndTime": f"{before:%H:%M:%S}"}
        begins = desk("BEGINS", exchange.port("fix_tcp"), NonStopSession="N", **times)
        for one in (goes_on, begins):
            one.wait_for_logon()
            one.send("q", (11, "mc"), (530, 7), (60, TIME))
            one.order("nowhere", "buy", 1, "5.00", (55, "NOWHERE"))
            one.order("rests", "buy", 1, "5.00")
            one.finish()
        risk.settle()
        assert len(risk.received) == 6
        time.sleep((behind - datetime.now(UTC)).total_seconds() + 4)
        begins.wait_for_logon(2)
        assert begins.asked_open() == {"rests": 1}
        begins.order("next", "buy", 1, "4.00")
        assert begins.next()[150] == "0"
        assert [one[34] for one in begins.sent if one[35] == "A"] == ["1", "1"]
        assert "the sequence numbers begin anew" in [one for one in goes_on.admin if one[35] == "5"][-1][58]
        assert not goes_on.logged_on
        risk.settle()
        assert [(one[115], one[11]) for one in risk.received[6:]] == [("BEGINS", "rests"), ("BEGINS", "next")]
