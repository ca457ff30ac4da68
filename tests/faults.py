"""Deliberate faults in the machine and in the reference: each must make a test fail.

Each is one change of text: the old text stands exactly once in its file.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """One change of a file of matching/ that breaks a rule."""

    file: str
    old: str
    new: str
    why: str


KERNEL = (
    Fault(
        "ladder.py",
        '    m.links[last]["next"] = slot\n',
        "",
        "lost link: the order in front does not lead to the new one",
    ),
    Fault(
        "ladder.py",
        '    m.links[behind]["prev"] = ahead\n',
        "",
        "lost link: who follows a cancelled order believes it is still there",
    ),
    Fault(
        "ladder.py",
        '    circle["prev"] = slot\n',
        "",
        "lost link: a level does not know its last order",
    ),
    Fault(
        "ladder.py",
        "    if index > top(m, instrument_id, book):",
        "    if index > top(m, instrument_id, book) + 1:",
        "stale best price: one tick better is not seen",
    ),
    Fault(
        "ladder.py",
        "    if index == top(m, instrument_id, book):",
        "    if best == 0:",
        "stale best price: an emptied level stays the best",
    ),
    Fault(
        "ladder.py",
        "    m.words[group] = left\n",
        "",
        "stale bitmap: an emptied word stays marked in its group",
    ),
    Fault(
        "ladder.py",
        "    unlink(m, slot)\n    append(m, slot, level)",
        "    append(m, slot, level)",
        "lost link: a refreshed iceberg stands in its level twice",
    ),
    Fault(
        "express_new.py",
        "    limit = above_low + below_high + 2 - index\n",
        "    limit = above_low + below_high + 3 - index\n",
        "off by one: in the express lane a limit does not meet its own price",
    ),
    Fault(
        "express_new.py",
        "above_low | below_high < 0",
        "above_low < 0",
        "the express lane lets orders in above the band",
    ),
    Fault(
        "express_new.py",
        "    if worst > cap or free < 0:\n",
        "    if worst > cap:\n",
        "the express lane spends what an account has not",
    ),
    Fault(
        "express_new.py",
        "    if worst > cap or free < 0:\n",
        "    if free < 0:\n",
        "the express lane sells what an account has not",
    ),
    Fault(
        "express_new.py",
        "(meets and post_only != 0) or ",
        "",
        "the express lane lets a post-only order trade",
    ),
    Fault(
        "busting.py",
        '    seller["earned"] -= worth - i64(c["display"])\n',
        '    seller["earned"] -= worth\n',
        "a bust keeps the seller's fee",
    ),
    Fault(
        "busting.py",
        '    if uncovered + quantity > i64(bought["registered"]):\n',
        '    if uncovered > i64(bought["registered"]):\n',
        "a bust takes back what was sold again",
    ),
    Fault(
        "express_new.py",
        "        or i64(m.pages[place]) != 0\n",
        "",
        "the express lane takes a live name again",
    ),
    Fault(
        "express_new.py",
        '        or i64(m.sessions[session_id]["firm"]) != trader\n',
        "",
        "the express lane lets members trade for others",
    ),
    Fault(
        "express_new.py",
        "    m.page_live[page] += 1\n",
        "",
        "the express lane does not count a page's orders",
    ),
    Fault(
        "express_new.py",
        '        or worth > account["notional_cap"]\n',
        "",
        "the express lane forgets the limit of worth",
    ),
    Fault(
        "express_cancel.py",
        '    freed = either(side, order["held"], deposit)',
        '    freed = either(side, order["held"], 0)',
        "skipped release: an express cancel keeps the deposit",
    ),
    Fault(
        "express_cancel.py",
        " & SPECIAL != 0",
        "  & (SPECIAL >> 1) != 0",
        "an express cancel leaves a timer or a stop's bitmap behind",
    ),
    Fault(
        "express_cancel.py",
        "opened - leaves\n",
        "opened\n",
        "skipped release: an express cancel keeps the open quantity",
    ),
    Fault(
        "express_trade.py",
        "not sell_stop < price < buy_stop",
        "not sell_stop < price <= buy_stop",
        "wrong comparison: a stop waits that a trade at its price should trigger",
    ),
    Fault(
        "express_trade.py",
        "(guarded and same_owner(m, order, m.orders[maker_slot]))\n            or ",
        "",
        "the express lane trades with the own group",
    ),
    Fault(
        "express_trade.py",
        "            requeue(m, maker_slot, level)\n",
        "",
        "an iceberg's next slice keeps its place in the express lane",
    ),
    Fault(
        "express_trade.py",
        '            order["shown"] = min(display, leaves) if display != 0 else leaves\n',
        "",
        "what is left of an express order shows what it was",
    ),
    Fault(
        "express_trade.py",
        '    if i64(instrument["collar"]) != 0:\n        return False\n',
        "",
        "the express lane trades through a collar",
    ),
    Fault(
        "express_trade.py",
        "either(side, taker_rate, maker_rate), either(side, maker_rate, taker_rate)",
        "either(side, maker_rate, taker_rate), either(side, taker_rate, maker_rate)",
        "the maker pays the taker's fee",
    ),
    Fault(
        "incoming.py",
        "    return max(index_at(instrument, 1 - side, price), i64(1))",
        "    return max(index_at(instrument, 1 - side, price) + 1, i64(1))",
        "off by one: a limit does not meet its own price",
    ),
    Fault(
        "incoming.py",
        "        maker_slot = first(m, level)",
        '        maker_slot = i64(m.links[level]["prev"])',
        "the last comes first",
    ),
    Fault(
        "incoming.py",
        "            requeue(m, maker_slot, level)\n",
        "",
        "an iceberg's next slice keeps its place",
    ),
    Fault(
        "incoming.py",
        "        newer = min(newer, older)",
        "        newer = older",
        "decrement takes off more than the smaller leaves",
    ),
    Fault(
        "incoming.py",
        "return max(limit, index_at(instrument, 1 - side, reference + toward))",
        "return limit",
        "the collar stops nothing",
    ),
    Fault(
        "incoming.py",
        '                shown += i64(resting["shown"])',
        '                shown += i64(resting["leaves"])',
        "fill or kill counts hidden quantity in front of an own order",
    ),
    Fault(
        "admission.py",
        'price < i64(instrument["low"])',
        'price <= i64(instrument["low"])',
        "off by one in the band",
    ),
    Fault(
        "admission.py",
        'uncovered + quantity > i64(position["registered"])',
        'uncovered + quantity >= i64(position["registered"])',
        "wrong comparison: the last lot of capacity cannot be sold",
    ),
    Fault(
        "admission.py",
        'money > 0 and money > i64(account["free"])',
        'money > 0 and money >= i64(account["free"])',
        "wrong comparison: the last fen cannot be spent",
    ),
    Fault(
        "replacing.py",
        "        and open_after < leaves\n",
        "        and open_after <= leaves\n",
        "a replace that changes no quantity keeps its place",
    ),
    Fault(
        "admission.py",
        "return last >= stop if side == BUY else last <= stop",
        "return last > stop if side == BUY else last < stop",
        "a stop does not trigger at its own price",
    ),
    Fault(
        "replacing.py",
        "    hold(m, order, price, open_after)\n",
        "",
        "a replaced order holds nothing",
    ),
    Fault(
        "risk.py",
        '        account["free"] += money\n        account["reserved"] -= money\n',
        '        account["reserved"] -= money\n',
        "skipped release: a cancelled buy gives nothing back",
    ),
    Fault(
        "risk.py",
        '        position["open_sell"] -= quantity\n        move_deposit(',
        "        move_deposit(",
        "skipped release: a cancelled sell keeps its capacity",
    ),
    Fault(
        "risk.py",
        " + fraction + (RATE_UNIT - 1))",
        " + fraction)",
        "the fee's reserve is rounded down",
    ),
    Fault(
        "risk.py",
        '    order["fee_fraction"] = exact - fee * RATE_UNIT\n',
        "",
        "fractions of fees are forgotten",
    ),
    Fault(
        "risk.py",
        '["earned"] += worth - sell_fee',
        '["earned"] += worth',
        "the seller pays no fee",
    ),
    Fault(
        "risk.py",
        "* max(uncovered, i64(0))",
        "* uncovered",
        "a resale frees a deposit that was never held",
    ),
    Fault(
        "uncross.py",
        "if abs(price - reference) <= abs(nearest - reference):",
        "if abs(price - reference) >= abs(nearest - reference):",
        "the auction's price is the farthest from the reference",
    ),
    Fault(
        "uncross.py",
        "traded == volume and left < surplus",
        "traded == volume and left > surplus",
        "the greatest surplus instead of the least",
    ),
    Fault(
        "uncross.py",
        'if m.orders[older_slot]["accepted"] > m.orders[newer_slot]["accepted"]:',
        'if m.orders[older_slot]["accepted"] < m.orders[newer_slot]["accepted"]:',
        "in an uncross the later order is the maker",
    ),
    Fault(
        "stops.py",
        'stop > state["traded_high"]',
        'stop >= state["traded_high"]',
        "a buy stop does not trigger at the highest trade",
    ),
    Fault(
        "stops.py",
        "m.keys[size] = (distance << 32) + ",
        "m.keys[size] = ",
        "a wave runs by acceptance alone",
    ),
    Fault(
        "stops.py",
        "        if room(m) < ROOM:\n            return False\n        slot =",
        "        slot =",
        "a wave that a collar ends overruns the event buffer",
    ),
    Fault(
        "timers.py",
        'and i64(timer["rank"]) < rank)',
        'and i64(timer["rank"]) > rank)',
        "what is due at one second runs in the wrong order",
    ),
    Fault(
        "timers.py",
        '        m.orders[slot]["timer"] = 0\n',
        "        pass\n",
        "a removed timer is still the order's",
    ),
    Fault(
        "identity.py",
        "    if live == 0:\n",
        "    if live < 0:\n",
        "pages of refs are never given back",
    ),
    Fault(
        "listing.py",
        "                    or tif == DAY\n",
        "",
        "the close ends no DAY orders",
    ),
    Fault(
        "phases.py",
        "phase = CONTINUOUS if now == AUCTION else now",
        "phase = CONTINUOUS",
        "the end of a collar lifts a halt",
    ),
    Fault(
        "phases.py",
        '    instrument["gated"] = 1\n',
        "",
        "a closed gate opens again",
    ),
    Fault(
        "machine.py",
        'i64(c["time_ns"]) < state["now_ns"]',
        'i64(c["time_ns"]) <= state["now_ns"]',
        "two commands of one nanosecond are refused",
    ),
    Fault(
        "admin.py",
        "if registered > POSITION_MAX or",
        "if registered >= POSITION_MAX or",
        "off by one: the largest capacity cannot be registered",
    ),
    Fault(
        "masscancel.py",
        "if operator and scope == SCOPE_SESSION:",
        "if scope == SCOPE_SESSION:",
        "a member cancels the orders of any session",
    ),
)

REFERENCE = (
    Fault(
        "reference_book.py",
        "return price <= self.price if",
        "return price < self.price if",
        "wrong comparison: a bid does not accept its own limit",
    ),
    Fault(
        "reference_book.py",
        "(notional_fen * self.dearer_rate + fraction)",
        "(notional_fen * self.dearer_rate)",
        "the carried fraction is not reserved",
    ),
    Fault(
        "reference_book.py",
        "key=lambda price: (abs(price - self.reference), -price)",
        "key=lambda price: (-abs(price - self.reference), -price)",
        "the auction's price is the farthest from the reference",
    ),
    Fault(
        "reference_book.py",
        "        self.waiting.pop(order.accepted, None)\n",
        "",
        "a stop that ended waits on",
    ),
    Fault(
        "reference_book.py",
        "return self.stop <= high if",
        "return self.stop < high if",
        "a buy stop does not trigger at its own price",
    ),
    Fault(
        "reference_book.py",
        "            self.account.reserve(needed_fen - self.reserved_fen)\n",
        "",
        "skipped release: buys hold nothing and give nothing back",
    ),
    Fault(
        "reference_market.py",
        "            instrument.leave(maker)\n            maker.shown = maker.slice\n",
        "            maker.shown = maker.slice\n",
        "an iceberg's next slice keeps its place",
    ),
    Fault(
        "reference_market.py",
        "        ends_resting = mode in (SelfTradePrevention.OLDEST, SelfTradePrevention.BOTH)",
        "        ends_resting = mode in (SelfTradePrevention.OLDEST,)",
        "prevention of both spares the resting order",
    ),
    Fault(
        "reference_market.py",
        "(abs(order.stop - base), order.accepted)",
        "(order.accepted,)",
        "a wave runs by acceptance alone",
    ),
    Fault(
        "reference_market.py",
        "(buy, sell) if buy.accepted < sell.accepted else (sell, buy)",
        "(buy, sell)",
        "in an uncross the buyer is always the maker",
    ),
    Fault(
        "reference.py",
        "if growth > position.available:",
        "if growth >= position.available:",
        "wrong comparison: the last lot of capacity cannot be sold",
    ),
    Fault(
        "reference.py",
        "if ticks and not instrument.low <= ticks <= instrument.high:",
        "if ticks and not instrument.low <= ticks < instrument.high:",
        "off by one in the band",
    ),
    Fault(
        "reference.py",
        "keeps_place = not requeue and growth < 0",
        "keeps_place = not requeue and growth <= 0",
        "a replace that changes no quantity keeps its place",
    ),
    Fault(
        "reference_accounts.py",
        "self.registered + self.net - self.open[1]",
        "self.registered - self.open[1]",
        "what was bought cannot be sold again",
    ),
    Fault(
        "reference_agenda.py",
        "[0][0] * NANOSECONDS > now_ns",
        "[0][0] * NANOSECONDS >= now_ns",
        "what is due runs a nanosecond late",
    ),
    Fault(
        "reference_admin.py",
        "account.funded_fen + command.amount_fen > FREE_MAX_FEN",
        "account.free_fen + command.amount_fen > FREE_MAX_FEN",
        "money that is held or spent does not count against its bound",
    ),
)

FAULTS = KERNEL + REFERENCE
