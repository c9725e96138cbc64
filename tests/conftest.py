"""Options of the whole suite, and what its end tells."""

import pytest
from _pytest.terminal import TerminalReporter
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


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """What tests have counted: they record it as a property `counted`, which comes from other processes, too."""
    reports = [
        report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])
    ]
    for report in reports:
        for name, counted in report.user_properties:
            if name == "counted":
                terminalreporter.write_line(f"{report.nodeid}: {counted}")
