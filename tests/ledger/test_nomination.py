"""Nomination: every position is served, and buyers keep their suppliers from hour to hour."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.delivery.block_nomination import Blocks, assign_blocks, complete_split
from ledger.delivery.nomination import kept_lots, match_positions


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
    return match_positions(book, party, quantity, follows), book, party, quantity, follows


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
    """Maximum of kept lots over all nominations of these hours, by trying all."""
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
    pieces = match_positions(book, party, np.array([1, -1, 1, -1]), np.zeros(2, dtype=np.int64))
    assert kept_lots(pieces, book, party, np.zeros(2, dtype=np.int64)) == 0


def test_without_open_positions_nothing_is_nominated():
    empty = np.zeros(0, dtype=np.int64)
    assert [len(each) for each in match_positions(empty, empty, empty, empty)] == [0, 0, 0]


def blocks_of(book, party, wanted):
    """Blocks given as party, first book, hours and lots, as rows of positions."""
    row_of = {(int(b), int(p)): row for row, (b, p) in enumerate(zip(book, party, strict=True))}
    rows = [
        (number, row_of[hour, who], lots)
        for number, (who, first, hours, lots) in enumerate(wanted)
        for hour in range(first, first + hours)
    ]
    return Blocks(*(np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)))


def suppliers_of(parts, book, party, number):
    """Suppliers of a block with their lots, by hour."""
    served = {}
    for block, long, short, lots, _ in zip(*(each.tolist() for each in parts), strict=True):
        if block == number:
            hour = served.setdefault(int(book[long]), {})
            who = int(party[short])
            hour[who] = hour.get(who, 0) + lots
    return served


def is_whole(served):
    """Whether one supplier serves all hours."""
    return len({who for hour in served.values() for who in hour}) == 1


@st.composite
def days_with_blocks(draw):
    """Three hours, three sellers, up to three blocks of one or two buyers, and hourly buyers."""
    count = 3
    wanted = [
        (draw(st.integers(1, 2)), *draw(st.sampled_from([(0, 2), (1, 2), (0, 3)])),
         draw(st.integers(1, 3)))
        for _ in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    hours = []
    for hour in range(count):
        bought = {1: 0, 2: 0, 3: draw(st.integers(1, 2))}
        for who, first, span, lots in wanted:
            bought[who] += lots if first <= hour < first + span else 0
        left = sum(bought.values())
        sold = {}
        for who in (4, 5):
            sold[who] = draw(st.integers(0, left))
            left -= sold[who]
        sold[6] = left
        hours.append({**bought, **{who: -lots for who, lots in sold.items()}})
    return hours, wanted


def nominated_with_blocks(hours, wanted):
    book, party, quantity = rows(hours)
    follows = np.ones(int(book.max()) + 1, dtype=np.int64)
    follows[:1] = 0
    blocks = blocks_of(book, party, wanted)
    parts = assign_blocks(book, party, quantity, blocks)
    pieces = match_positions(book, party, quantity, follows, parts)
    return book, party, quantity, parts, pieces, complete_split(blocks, parts, pieces)


def most_whole(hours, wanted):
    """Maximum number of blocks with one supplier, by trying all suppliers for all blocks."""
    best = 0
    for chosen in product((None, 4, 5, 6), repeat=len(wanted)):
        used = {}
        for who, (_, first, span, lots) in zip(chosen, wanted, strict=True):
            for hour in range(first, first + span):
                used[hour, who] = used.get((hour, who), 0) + lots
        fits = all(n <= -hours[hour].get(who, 0) for (hour, who), n in used.items() if who)
        best = max(best, sum(who is not None for who in chosen)) if fits else best
    return best


@settings(deadline=None)
@given(days_with_blocks())
def test_every_block_is_served_to_the_lot_and_its_split_is_stated(case):
    hours, wanted = case
    book, party, quantity, _, pieces, split = nominated_with_blocks(hours, wanted)
    delivered = np.zeros(len(quantity), dtype=np.int64)
    np.add.at(delivered, pieces.long, pieces.quantity)
    np.subtract.at(delivered, pieces.short, pieces.quantity)
    assert delivered.tolist() == quantity.tolist()
    for number, (_, first, span, lots) in enumerate(wanted):
        served = suppliers_of(split, book, party, number)
        assert {hour: sum(served[hour].values()) for hour in served} == dict.fromkeys(
            range(first, first + span), lots
        )
    whole = {
        (long, short): lots
        for long, short, lots in zip(*(each.tolist() for each in pieces), strict=True)
    }
    for long, short, lots in zip(*(each.tolist() for each in split[1:4]), strict=True):
        whole[long, short] -= lots
    assert min(whole.values()) >= 0


@settings(deadline=None)
@given(days_with_blocks())
def test_a_block_has_one_supplier_wherever_those_before_it_left_one(case):
    hours, wanted = case
    book, party, _, _, _, split = nominated_with_blocks(hours, wanted)
    left = [{who: -lots for who, lots in hour.items() if lots < 0} for hour in hours]
    for number, (_, first, span, lots) in enumerate(wanted):
        served = suppliers_of(split, book, party, number)
        possible = any(
            all(left[hour].get(who, 0) >= lots for hour in range(first, first + span))
            for who in (4, 5, 6)
        )
        assert is_whole(served) >= possible
        if not possible:
            continue  # it is served after all others
        for hour, by in served.items():
            for who, n in by.items():
                left[hour][who] -= n


def test_nearly_as_many_blocks_as_possible_have_one_supplier():
    dice = np.random.default_rng(5)
    kept = best = 0
    for _ in range(300):
        spans = [(0, 2), (1, 2), (0, 3)]
        wanted = [
            (int(dice.integers(1, 3)), *spans[dice.integers(0, 3)], int(dice.integers(1, 4)))
            for _ in range(3)
        ]
        hours = []
        for hour in range(3):
            bought = {1: 0, 2: 0, 3: 1}
            for who, first, span, lots in wanted:
                bought[who] += lots if first <= hour < first + span else 0
            cuts = np.sort(dice.integers(0, sum(bought.values()) + 1, 2))
            sold = np.diff([0, *cuts, sum(bought.values())])
            hours.append({**bought, **{4 + k: -int(n) for k, n in enumerate(sold)}})
        book, party, _, _, _, split = nominated_with_blocks(hours, wanted)
        kept += sum(is_whole(suppliers_of(split, book, party, n)) for n in range(3))
        best += most_whole(hours, wanted)
    assert kept / best > 0.9, (kept, best)


def test_a_run_of_many_hours_keeps_its_supplier_through_the_crowd():
    hours = [{1: 4, 2: 1, 3: -1, 4: -4}, {1: 4, 2: 2, 3: -2, 4: -4}, {1: 4, 2: 1, 3: -1, 4: -4}]
    book, party, _, _, _, split = nominated_with_blocks(hours, [(1, 0, 3, 4)])
    assert suppliers_of(split, book, party, 0) == {hour: {4: 4} for hour in range(3)}


def test_a_block_of_which_no_supplier_has_all_is_split_by_lots_not_by_hours():
    hours = [{1: 5, 3: -3, 4: -2}] * 3
    book, party, _, _, _, split = nominated_with_blocks(hours, [(1, 0, 3, 5)])
    assert suppliers_of(split, book, party, 0) == {hour: {3: 3, 4: 2} for hour in range(3)}


def test_a_block_stays_with_its_supplier_of_the_day_before():
    book, party, quantity = rows([{1: 2, 3: -2, 4: -3, 2: 3}] * 2)
    blocks = blocks_of(book, party, [(1, 0, 2, 2)])
    for served, expected in ((None, 3), ({0: {4}}, 4), ({0: {9}}, 3)):
        parts = assign_blocks(book, party, quantity, blocks, served)
        assert set(party[parts.short].tolist()) == {expected}


def test_a_block_that_was_resold_in_part_is_served_as_far_as_it_is_held():
    hours = [{1: 2, 3: -2}, {1: 1, 2: 1, 3: -2}]
    book, party, _, _, _, split = nominated_with_blocks(hours, [(1, 0, 2, 2)])
    assert suppliers_of(split, book, party, 0) == {0: {3: 2}, 1: {3: 1}}
