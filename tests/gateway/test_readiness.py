"""What people are told of whether clients are taken."""

import time
from unittest.mock import Mock

import pytest

from gateway.readiness import REMINDER_SECONDS, Readiness

ENDPOINTS = {"fix_tcp": "fix+tcp://127.0.0.1:1", "pid": 1}


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.why: str | None = None
        self.said: list[str] = []
        self.now = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.readiness = Readiness(Mock(), self, lambda: self.why)

    def say(self, what: str) -> None:
        self.said.append(what)

    def listening(self, endpoints: object) -> None:
        self.said.append("listening")

    def ready(self, endpoints: object) -> None:
        assert endpoints == ENDPOINTS
        self.said.append("ready")

    def turn(self, why: str | None) -> None:
        self.why = why
        self.readiness.turned(why is None)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.now += 0.25
            self.readiness.look()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_who_takes_clients_at_once_is_ready_at_once(world: World) -> None:
    world.readiness.listening(ENDPOINTS)
    world.turn(None)
    world.wait(100)
    assert world.said == ["listening", "ready"]


def test_ready_is_said_once_and_when_it_is_true(world: World) -> None:
    world.why = "no leader"
    world.readiness.listening(ENDPOINTS)
    world.turn("no leader")
    world.wait(1)
    world.turn(None)
    world.turn("the disk is full")
    world.turn(None)
    assert world.said == [
        "listening", "not ready: no leader", "ready", "not taking input: the disk is full", "taking input again",
    ]  # fmt: skip


def test_another_reason_is_said_and_one_that_comes_and_goes_is_not(world: World) -> None:
    world.why = "no majority"
    world.readiness.listening(ENDPOINTS)
    world.why = "an election is on"
    world.wait(0.5)
    world.why = "no majority"
    world.wait(2)
    world.why = "this replica was removed"
    world.wait(2)
    assert world.said == ["listening", "not ready: no majority", "not ready: this replica was removed"]


def test_a_reason_that_lasts_is_repeated_at_growing_intervals(world: World) -> None:
    world.why = "no majority"
    world.readiness.listening(ENDPOINTS)
    world.wait(REMINDER_SECONDS * 7)
    assert world.said[1:] == [
        "not ready: no majority", "not ready for 10 s: no majority", "not ready for 30 s: no majority",
        "not ready for 70 s: no majority",
    ]  # fmt: skip
