"""The turns of a server, without sockets or a log."""

import asyncio
from unittest.mock import Mock

import pytest
import uvloop

from gateway.server import Damaged, Server, Stopped
from replication.files import LogFailed, LostData
from replication.raft import Diverged


def test_while_a_client_is_behind_one_timer_waits_to_try_again() -> None:
    server = Server.__new__(Server)
    server._loop = Mock()
    server._finished = Mock(done=lambda: False)
    server._links = Mock()
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


def ended(server: Server) -> BaseException:
    ((error,),) = [call.args for call in server._finished.set_exception.call_args_list]
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LostData("00000002.segment", 0, "the segment is missing"), Damaged),
        (LogFailed("00000002.segment", OSError(5, "Input/output error")), Stopped),
        (OSError(5, "Input/output error"), Stopped),
        (Diverged("the logs differ"), Stopped),
    ],
)
def test_what_a_sync_comes_upon_ends_the_server_in_words(error: Exception, expected: type[Exception]) -> None:
    """A leader whose sync is done reads on for a follower that is behind."""
    server = Server.__new__(Server)
    server._finished = Mock(done=lambda: False)
    server._trace = Mock()
    server._node = Mock(take_sync=Mock(side_effect=error))
    server._synced()
    assert type(ended(server)) is expected


def test_who_votes_is_on_disk_before_a_turn_writes() -> None:
    server = Server.__new__(Server)
    server._finished = Mock(done=lambda: False)
    server._trace = server._connections = server._replica = Mock()
    server._links = Mock(
        note_voters=Mock(side_effect=LogFailed("peers", OSError(28, "No space left on device")))
    )
    server._turn()
    server._replica.turn.assert_not_called()
    assert "peers: No space left on device" in str(ended(server))
