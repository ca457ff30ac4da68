"""Options of the whole suite: tests that take minutes, and tests that need an outside program."""

from typing import Any

import pytest

from ledger.books.connection import CONFIG
from tests.support.programs import find_program

FIRST = ("tests/matching/test_cases.py", "tests/test_documentation.py", "tests/ledger/")
"""Files that begin: one that has the engine compiled, and meanwhile those that need none."""

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
    items.sort(key=_rank)
    if config.getoption("--long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; runs with --long"))


def _rank(item: pytest.Item) -> int:
    """Place of an item's file among those that begin; the others follow in their own order."""
    starts = enumerate(FIRST)
    return next((at for at, start in starts if item.nodeid.startswith(start)), len(FIRST))


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
