"""Deliberate faults in what trades blocks; see faults.py."""

from tests.fault import Fault

BLOCK_KERNEL = (
    Fault(
        "block_legs.py",
        'taken = min(wanted, i64(maker["leaves"]))',
        'taken = min(wanted, i64(maker["shown"]))',
        "a block does not count what icebergs hide",
    ),
    Fault(
        "block_legs.py",
        "return total <= limit if",
        "return total < limit if",
        "wrong comparison: a block does not pay its limit",
    ),
    Fault(
        "block_legs.py",
        '    m.watch[watch] = min(i64(m.watch[watch]), i64(known["last_index"]))\n',
        "",
        "an hour forgets that a block lacks more than before",
    ),
    Fault(
        "block_legs.py",
        '        m.blocks[last]["ripe"] = at\n',
        "",
        "lost place: a block among those to try does not know where it is",
    ),
    Fault(
        "block_legs.py",
        '            m.legs[behind]["prev"] = ahead\n',
        "            pass\n",
        "lost link: who stands behind a block that left believes it is still there",
    ),
    Fault(
        "block_legs.py",
        '                m.instruments[i64(known["instrument"])]["watched"] = 0\n',
        "                pass\n",
        "an hour without blocks is watched for ever",
    ),
    Fault(
        "block_legs.py",
        '    if (i64(order["mode"]) & STP_MASK) == 0:\n',
        '    if (i64(order["mode"]) & STP_MASK) != 0:\n',
        "prevention turned round: a block trades with its owner",
    ),
    Fault(
        "block_legs.py",
        'if i64(instrument["watched"]) != 0 and i64(instrument["collar"]) != 0:',
        'if i64(instrument["watched"]) != 0 and i64(instrument["collar"]) < 0:',
        "what a collar kept from trading is never tried again",
    ),
    Fault(
        "block_legs.py",
        '    if span > i64(m.instruments[first_id]["longest"]):\n        return False\n',
        "",
        "blocks are as long as they like",
    ),
    Fault(
        "block_life.py",
        'dearest = max(dearest, i64(m.instruments[hour_of(m, order, k)]["dearer_rate"]))',
        'dearest = i64(m.instruments[hour_of(m, order, k)]["dearer_rate"])',
        "a block holds the fee of its last hour",
    ),
    Fault(
        "block_life.py",
        "move_deposit(account, m.instruments[instrument_id], uncovered, uncovered + more)",
        "pass",
        "a block holds no deposit",
    ),
    Fault(
        "block_life.py",
        'after > i64(position["registered"])',
        'after >= i64(position["registered"])',
        "wrong comparison: a block cannot sell the last lot",
    ),
    Fault(
        "block_life.py",
        '    m.events[m.state[0]["events"] - 1]["trade_group"] = span_of(order)\n',
        "",
        "nobody is told how long a block is",
    ),
    Fault(
        "block_trading.py",
        'return i64(order["accepted"]) < i64(other["accepted"])',
        'return i64(order["accepted"]) > i64(other["accepted"])',
        "of equal blocks the later one comes first",
    ),
    Fault(
        "block_trading.py",
        "is_better = total < swept if",
        "is_better = total <= swept if",
        "wrong comparison: an opposite block comes before equal books",
    ),
    Fault(
        "block_trading.py",
        'if i64(maker["accepted"]) > i64(taker["accepted"]):',
        'if i64(maker["accepted"]) < i64(taker["accepted"]):',
        "the later block makes the price",
    ),
    Fault(
        "block_trading.py",
        "        requeue(",
        "        (lambda *_: None)(",
        "an iceberg's next slice keeps its place when a block takes from it",
    ),
    Fault(
        "block_trading.py",
        '        state["base_price"] = i64(known["base"])\n',
        "",
        "stops count their distance from another hour's price",
    ),
    Fault(
        "block_trading.py",
        '        return i64(order["side"]) == BUY\n    return before',
        '        return i64(order["side"]) != BUY\n    return before',
        "sell blocks come before buys",
    ),
    Fault(
        "block_trading.py",
        "        if leg % HOURS == 0:\n",
        "        if leg % HOURS >= 0:\n",
        "blocks of other hours trade with one another",
    ),
    Fault(
        "block_trading.py",
        '    if i64(order["accepted"]) > i64(other["accepted"]):\n        return not',
        '    if i64(order["accepted"]) < i64(other["accepted"]):\n        return not',
        "the earlier block's prevention decides",
    ),
    Fault(
        "block_trading.py",
        "!= CONTINUOUS:\n            return i64(NO_WAY)",
        "== 0:\n            return i64(NO_WAY)",
        "blocks trade in a halt",
    ),
    Fault(
        "block_trading.py",
        'bound = collar_bound(m, instrument_id, i64(order["side"]), i64(1))',
        "bound = i64(1)",
        "blocks trade through a collar",
    ),
    Fault(
        "block_orders.py",
        '        and quantity < i64(order["leaves"])\n',
        '        and quantity <= i64(order["leaves"])\n',
        "a replace that changes no quantity of a block keeps its place",
    ),
    Fault(
        "block_orders.py",
        'i64(instrument["low"]) <= price <=',
        'i64(instrument["low"]) < price <=',
        "off by one in the band of a block",
    ),
    Fault(
        "sequences.py",
        '        or (i64(instrument["follows"]) | i64(before["after"])) != 0\n',
        "",
        "a sequence forks",
    ),
    Fault(
        "listing.py",
        '                or i64(order["tif"]) == DAY\n                or (due',
        "                or (due",
        "the close ends no DAY blocks",
    ),
    Fault(
        "sequences.py",
        "        or last_of_sequence(m, instrument_id) == before_id\n",
        "",
        "a sequence runs in a circle",
    ),
    Fault(
        "phases.py",
        '    if state["ripe"] != 0 and state["stage"] == DUE:\n',
        '    if state["ripe"] < 0:\n',
        "what falls due lets no block trade before the next thing does",
    ),
    Fault(
        "words.py",
        "(WAITING | TIMED | BLOCK_BIT)",
        "(WAITING | TIMED)",
        "the express lane cancels a block as if it were an order",
    ),
    Fault(
        "express_cancel.py",
        'or i64(instrument["collar"]) != 0',
        'or i64(instrument["collar"]) < 0',
        "what hid an hour behind its collar goes, and no block is told",
    ),
    Fault(
        "express_new.py",
        "m.watch[watch + WATCH_REACH])",
        "m.watch[watch])",
        "an express order asks how far another side's blocks can be helped",
    ),
    Fault(
        "block_legs.py",
        "least = -((cheaper - bound) // wanted)",
        "least = (bound - cheaper) // wanted - 1",
        "a leg lets an order pass that makes its hour better than its bound",
    ),
    Fault(
        "block_legs.py",
        "    weigh(m, leg)\n    sign",
        "    sign",
        "a leg that is asked again forgets what came",
    ),
    Fault(
        "express_new.py",
        'instrument["phase"] if watched else instrument["plain_phase"]',
        'instrument["phase"]',
        "an express order comes to rest without asking the blocks of its hour",
    ),
)

BLOCK_REFERENCE = (
    Fault(
        "reference_blocks.py",
        "        if not low <= price <= high:\n            break\n",
        "        if not low <= price <= high:\n            continue\n",
        "what a collar hides is passed over",
    ),
    Fault(
        "reference_blocks.py",
        "return total <= limit if",
        "return total < limit if",
        "wrong comparison: a block does not pay its limit",
    ),
    Fault(
        "reference_blocks.py",
        "is_better = total < swept if",
        "is_better = total <= swept if",
        "wrong comparison: an opposite block comes before equal books",
    ),
    Fault(
        "reference_blocks.py",
        "and other.leaves == block.leaves",
        "and other.leaves >= block.leaves",
        "a larger block trades in part",
    ),
    Fault(
        "reference_blocks.py",
        "    taker.hold(0)\n",
        "",
        "skipped release: an opposite block that traded holds its money",
    ),
)
