"""What all tests share: tests that take minutes run only when asked for."""

import pytest

from ledger.books import database as books

books._CONFIG["threads"] = 1  # small books: threads that wait for one another cost a third more


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run tests that take minutes as well")
    parser.addoption("--no-node", action="store_true", help="leave out the client in Node")
    parser.addoption(
        "--without-accounting",
        action="store_true",
        help="leave out the tests that need hledger, ledger and bean-check",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--without-accounting"):
        for item in items:
            if "accounting" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="left out by --without-accounting"))
    if config.getoption("--long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; runs with --long"))
