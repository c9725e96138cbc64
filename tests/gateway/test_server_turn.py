"""The turns of a server, without sockets or a log."""

from unittest.mock import Mock

from gateway.server import Server


def test_while_a_client_is_behind_one_timer_waits_to_try_again() -> None:
    server = Server.__new__(Server)
    server._loop = Mock()
    server._finished = Mock(done=lambda: False)
    server._replica = Mock(turn=lambda: False, light=False, timer_ns=None, why_not=None)
    server._connections = Mock(behind=1, pump=lambda: False, events=[], accepting=False)
    server._why_not = server._retry = None
    for _ in range(10):
        server._turn()
    ((_, due),) = [call.args for call in server._loop.call_later.call_args_list]
    due()
    server._turn()
    assert server._loop.call_later.call_count == 2
