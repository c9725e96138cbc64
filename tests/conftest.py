"""Options of the whole suite."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine or a sanitizer makes any example slow: time decides no test.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate",
        action="store_true",
        help="rewrite what the scenario files expect with what happens now; read the diff before a commit",
    )
