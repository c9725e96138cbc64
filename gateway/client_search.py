"""Looking for an endpoint that takes a Logon: how long each is tried, the pauses, and what to say when none does."""

from gateway.client_link import ConnectError
from gateway.client_session import LogonRefused

GUESSES = "; either "
"""Behind it an error says what may be the reason; before it what happened."""
BACKOFF_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses between rounds; within a round the next endpoint is tried at once."""
SILENT_SECONDS = 2.0
"""How long the first round waits for one of several endpoints that keeps silent; each further round twice as long."""


class Search:
    """Rounds over the endpoints, until `end`. Times are seconds of one monotonic clock.

    waits: there was a session, so an exchange that is not there at all is waited for; otherwise it is an error at once.
    """

    def __init__(self, now: float, timeout: float, *, waits: bool) -> None:
        self.end = now + timeout
        self._timeout = timeout
        self._waits = waits
        self._attempts = 0
        self._problems: dict[int, tuple[str, Exception]] = {}  # the last of each endpoint, by its place

    def patience(self, now: float, count: int) -> float:
        """Seconds for the next attempt, of `count` endpoints: one that keeps silent leaves time for the others."""
        left = max(self.end - now, 0.1)
        if count < 2:
            return left
        longest = SILENT_SECONDS * (1 << min(self._attempts // count, 10))
        return min(left, longest, self._timeout / count)

    def failed(self, endpoint: str, problem: Exception, now: float, count: int) -> float:
        """An attempt came to nothing: the seconds to pause before the next. Raises what to tell people when it was the
        last."""
        self._problems[self._attempts % max(count, 1)] = (endpoint, problem)
        self._attempts += 1
        rounds, within = divmod(self._attempts, max(count, 1))
        pause = 0.0 if within else BACKOFF_SECONDS[min(rounds, len(BACKOFF_SECONDS)) - 1]
        hopeless = rounds > 0 and not self._waits and self._nobody_is_there()
        if hopeless or now + pause >= self.end:
            raise self._verdict(problem)
        return pause

    def _nobody_is_there(self) -> bool:
        return all(isinstance(problem, ConnectError) for _, problem in self._problems.values())

    def _verdict(self, last: Exception) -> Exception:
        """A refusal is the exchange's own answer, whoever else keeps silent."""
        problems = self._problems.values()
        refusal = next((problem for _, problem in problems if isinstance(problem, LogonRefused)), None)
        if refusal is not None or len(problems) < 2:
            return refusal or last
        told = [(where, *str(problem).partition(GUESSES)) for where, problem in problems]
        each = (what if where in what else f"{where}: {what}" for where, what, *_ in told)
        guesses = max(("".join(behind) for _, _, *behind in told), key=len)  # once is enough
        return ConnectError(f"none of {len(problems)} endpoints takes a Logon: {'; '.join(each)}{guesses}")
