"""Random days are sound, and after kill -9 at any moment a settlement is complete or absent."""

import multiprocessing
import signal
import time

import numpy as np
import pytest

from ledger.books.database import create_books, open_books
from ledger.day_settlement import settle
from ledger.proof.audit import audit
from tests.support.ledger_world import INPUT, events, programme, world
from tests.tools import ledger_fuzz


def test_random_days_are_sound():
    assert ledger_fuzz.run(8, seed=1) > 50


@pytest.mark.long
def test_ten_thousand_random_days_are_sound():
    assert ledger_fuzz.run(10_000, 7) > 100_000


def day():
    """A registry and a day's text with a few hundred trades."""
    dice = np.random.default_rng(5)
    names = ledger_fuzz.NAMES
    lines = [f"fund {name} 10000000.00" for name in names]
    for _ in range(400):
        buyer, seller = dice.choice(names, 2, replace=False)
        lines.append(
            f"{buyer} buys {dice.integers(1, 21)} {dice.choice(list('ABCD'))} at "
            f"{dice.integers(900, 1100)} from {seller} fees 1 2"
        )
    registry = world(" ".join(names), programmes=(programme("p", funders={"x": 1, "y": 1}),))
    return registry, "\n".join(lines)


def settle_in_a_process(path, begun):
    """Main function of a child process: open books, report it, settle."""
    registry, text = day()
    found = events(registry, text)
    with open_books(path) as books:
        settle(books, world("a b"), events(world("a b"), ""), "ef" * 32, dry_run=True)  # warm
        begun.send(True)
        settle(books, registry, found, INPUT)
        begun.send(True)


PROCESSES = multiprocessing.get_context("forkserver")
"""Children are forked from a process that has imported everything and opened nothing."""

PROCESSES.set_forkserver_preload(["test_ledger_fuzz"])


def settled_by_a_child(path, kill_after_s):
    """Settle in a child process that is killed by SIGKILL after a time; returns the time that it
    ran.
    """
    told, begun = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=settle_in_a_process, args=(path, begun))
    child.start()
    begun.close()
    assert told.recv()
    begin = time.monotonic()
    if not told.poll(kill_after_s):
        child.kill()
    child.join()
    return child.exitcode, time.monotonic() - begin


def killed(folder, times, seed):
    """Settle until it succeeds, killed at random moments; returns the number of kills."""
    with create_books(folder / "undisturbed.duckdb") as books:
        registry, text = day()
        settle(books, registry, events(registry, text), INPUT)
        right = books.rows("FROM batches ORDER BY id")
    _, whole_s = settled_by_a_child(folder_with_books(folder, "measured"), None)
    dice = np.random.default_rng(seed)
    kills = 0
    for number in range(times):
        path = folder_with_books(folder, str(number))
        code, _ = settled_by_a_child(path, dice.random() * whole_s)
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        with open_books(path) as books:
            assert books.rows("FROM batches ORDER BY id") in ([], right)
            assert (books.scalar("SELECT count(*) FROM postings") > 0) == bool(
                books.scalar("SELECT count(*) FROM batches")
            )
            settle(books, registry, events(registry, text), INPUT)
            assert books.rows("FROM batches ORDER BY id") == right
            if number == 0:
                assert audit(books) == []
        path.unlink()
    return kills


def folder_with_books(folder, name):
    path = folder / f"{name}.duckdb"
    create_books(path).close()
    return path


def test_settling_killed_at_a_few_moments_is_completed_to_the_same_hash(tmp_path):
    assert killed(tmp_path, 3, seed=11) >= 1


@pytest.mark.long
def test_settling_killed_at_200_moments_is_completed_to_the_same_hash(tmp_path):
    assert killed(tmp_path, 200, seed=12) >= 100
