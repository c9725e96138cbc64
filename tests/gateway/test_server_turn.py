"""The turns of a server, without sockets or a log."""

import asyncio
from unittest.mock import Mock

import uvloop

from gateway.server import Server


def test_while_a_client_is_behind_one_timer_waits_to_try_again() -> None:
    server = Server.__new__(Server)
    server._loop = Mock()
    server._finished = Mock(done=lambda: False)
    server._replica = Mock(turn=lambda: False, light=False, timer_ns=None, why_not=None)
    server._connections = Mock(behind=1, pump=lambda: False, events=[], accepting=False)
    server._readiness = Mock()
    server._retry = None
    for _ in range(10):
        server._turn()
    ((_, due),) = [call.args for call in server._loop.call_later.call_args_list]
    due()
    server._turn()
    assert server._loop.call_later.call_count == 2


def test_the_timer_is_armed_anew_while_a_deadline_is_due() -> None:
    async def story() -> None:
        server = Server.__new__(Server)
        server._loop = asyncio.get_running_loop()
        server._timer = None
        server.schedule = Mock()
        for wait_ns in (3_600_000_000_000, 100_000, 0, 3_600_000_000_000):
            server._replica = Mock(timer_ns=wait_ns)
            server._arm()
        await asyncio.sleep(0)
        server.schedule.assert_called_once_with()
        assert server._timer is None

    uvloop.run(story())
