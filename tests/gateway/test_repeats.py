"""What happens again and again is said now and then, and counted."""

from gateway.repeats import FIRST_SECONDS, MOST, Repeats


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.repeats = Repeats(lambda: self.now)

    def every_second(self, seconds: int, what: str = "refused") -> list[tuple[int, int]]:
        """(when, how often it had happened) of what was to be said."""
        said = []
        for _ in range(seconds):
            count = self.repeats.happened(what)
            if count:
                said.append((int(self.now), count))
            self.now += 1
        return said


def test_the_first_time_at_once_and_then_at_growing_intervals() -> None:
    assert World().every_second(100) == [(0, 1), (10, 10), (30, 20), (70, 40)]


def test_after_a_silence_it_is_new() -> None:
    world = World()
    world.every_second(5)
    world.now += 3 * FIRST_SECONDS
    assert world.repeats.happened("refused") == 1


def test_each_thing_is_counted_alone_and_few_are_remembered() -> None:
    world = World()
    assert world.repeats.happened("refused") == 1
    assert world.repeats.happened("closed") == 1
    for number in range(2 * MOST):
        assert world.repeats.happened(number) == 1
    assert len(world.repeats._said) == MOST
