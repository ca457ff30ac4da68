"""Nominations: every position is served, and buyers keep their suppliers from hour to hour."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.nomination import kept_lots, nominate


def rows(hours):
    """Rows of positions, hour by hour; an hour is a dict from party to quantity."""
    book, party, quantity = [], [], []
    for number, hour in enumerate(hours):
        for who in sorted(hour):
            if hour[who]:
                book.append(number)
                party.append(who)
                quantity.append(hour[who])
    # Hours without positions have no book.
    _, book = np.unique(np.array(book, dtype=np.int64), return_inverse=True)
    return book, np.array(party, dtype=np.int64), np.array(quantity, dtype=np.int64)


def nominated(hours):
    book, party, quantity = rows(hours)
    follows = np.ones(int(book.max(initial=-1)) + 1, dtype=np.int64)
    follows[:1] = 0
    return nominate(book, party, quantity, follows), book, party, quantity, follows


def matchings(buyers, sellers):
    """All ways in which sellers can serve buyers: tuples of quantities, buyer by buyer."""
    if not buyers:
        return [()]
    found = []
    for given_ in product(*(range(min(buyers[0], each) + 1) for each in sellers)):
        if sum(given_) == buyers[0]:
            left = [each - used for each, used in zip(sellers, given_, strict=True)]
            found += [(given_, *rest) for rest in matchings(buyers[1:], left)]
    return found


def best_kept(hours):
    """The most lots that any nomination of these hours keeps: all ways, hour after hour."""
    kept = {None: 0}
    people = sorted({who for hour in hours for who in hour})
    for hour in hours:
        buyers = [max(hour.get(who, 0), 0) for who in people]
        sellers = [max(-hour.get(who, 0), 0) for who in people]
        after = {}
        for way in matchings(buyers, sellers):
            after[way] = max(
                so_far + (0 if before is None else sum(
                    min(x, y) for old, new in zip(before, way, strict=True)
                    for x, y in zip(old, new, strict=True)
                ))
                for before, so_far in kept.items()
            )  # fmt: skip
        kept = after
    return max(kept.values())


@st.composite
def days(draw):
    """Up to four hours, two buyers and two sellers with a few lots each."""
    hours = []
    for _ in range(draw(st.integers(1, 4))):
        sold = [draw(st.integers(0, 3)) for _ in range(2)]
        first = draw(st.integers(0, sum(sold)))
        hours.append({1: first, 2: sum(sold) - first, 3: -sold[0], 4: -sold[1]})
    return hours


@settings(deadline=None)
@given(days())
def test_nomination_serves_every_position_to_the_lot(hours):
    pieces, _, _, quantity, _ = nominated(hours)
    delivered = np.zeros(len(quantity), dtype=np.int64)
    np.add.at(delivered, pieces.long, pieces.quantity)
    np.subtract.at(delivered, pieces.short, pieces.quantity)
    assert delivered.tolist() == quantity.tolist()
    pairs = list(zip(pieces.long.tolist(), pieces.short.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))


@settings(deadline=None)
@given(days())
def test_nomination_never_keeps_more_than_the_best_of_all(hours):
    if all(any(hour.values()) for hour in hours):  # a gap keeps nothing, in either way
        pieces, book, party, _, follows = nominated(hours)
        assert kept_lots(pieces, book, party, follows) <= best_kept(hours)


def test_nomination_keeps_nearly_all_that_the_best_keeps():
    dice = np.random.default_rng(7)
    kept = best = optimal = 0
    for _ in range(150):
        hours = []
        for _ in range(3):
            sold = dice.integers(1, 4, 2)
            first = int(dice.integers(0, sold.sum() + 1))
            hours.append({1: first, 2: int(sold.sum()) - first, 3: -int(sold[0]), 4: -int(sold[1])})
        pieces, book, party, _, follows = nominated(hours)
        found, most = kept_lots(pieces, book, party, follows), best_kept(hours)
        kept, best, optimal = kept + found, best + most, optimal + (found == most)
    assert (kept / best > 0.95, optimal > 110) == (True, True), (kept, best, optimal)


def test_a_steady_day_keeps_every_buyer_on_one_supplier_whatever_comes_between():
    steady = {1: 2, 3: -2}
    crowd = [{2: 5, 4: -5}, {0: 3, 4: -3}, {2: 1, 0: 1, 4: -2}, {}]
    hours = [{**steady, **each} for each in crowd]
    pieces, book, party, _, follows = nominated(hours)
    served = {
        (int(book[long]), int(party[long])): int(party[short])
        for long, short in zip(pieces.long, pieces.short, strict=True)
        if party[long] == 1
    }
    assert served == {(hour, 1): 3 for hour in range(4)}
    assert kept_lots(pieces, book, party, follows) == 6 + 1  # the guest of two hours keeps its, too


def test_a_gap_between_hours_starts_anew():
    book, party = np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2])
    pieces = nominate(book, party, np.array([1, -1, 1, -1]), np.zeros(2, dtype=np.int64))
    assert kept_lots(pieces, book, party, np.zeros(2, dtype=np.int64)) == 0


def test_nothing_open_is_nothing_nominated():
    empty = np.zeros(0, dtype=np.int64)
    assert [len(each) for each in nominate(empty, empty, empty, empty)] == [0, 0, 0]
