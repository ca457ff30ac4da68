"""Options of the whole suite: tests that take minutes, and tests that need an outside program."""

from typing import Any

import pytest

from ledger.books.connection import CONFIG
from tests.support.programs import find_program

CONFIG["threads"] = 1  # small books: more threads wait for each other, a third slower


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers, keep a file's tests with one of them: its fixtures are made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run tests that take minutes as well")
    parser.addoption(
        "--require-programs",
        action="store_true",
        help="fail, instead of skipping, tests whose outside program is missing",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; runs with --long"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `needs(program, ...)` where a program is missing; or fail it."""
    missing = [
        name
        for marker in item.iter_markers("needs")
        for name in marker.args
        if find_program(name) is None
    ]
    if missing:
        unavailable(item.config, f"needs {', '.join(missing)}: not installed")


def unavailable(config: pytest.Config, reason: str) -> None:
    """End a test that cannot run on this machine: skipped, or failed with --require-programs."""
    if config.getoption("--require-programs"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
