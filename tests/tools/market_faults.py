"""Deliberate faults of auctions, quotes, protections, halts and busts."""

from tests.tools.fault import Fault

MARKET_FAULTS = (
    Fault(
        "orders/sweep.py",
        "    if stopped and rests:\n",
        "    if stopped:\n",
        "an order that cannot rest starts an auction",
    ),
    Fault(
        "reference/market.py",
        """            instrument.rest(order)
            if stopped:
""",
        """            instrument.rest(order)
        if order.leaves:
            if stopped:
""",
        "the reference: an order that cannot rest starts an auction",
    ),
    Fault(
        "phases/auction_quantities.py",
        'add_at_tick(m, book, tick, i64(m.orders[slot]["leaves"]))',
        'add_at_tick(m, book, tick, i64(m.orders[slot]["shown"]))',
        "an uncross does not count what icebergs hide",
    ),
    Fault(
        "phases/uncross.py",
        '        take_off(m, older, older_leaves - i64(older["leaves"]))\n',
        "",
        "what trades in an uncross stays in the sums that its next price comes from",
    ),
    Fault(
        "phases/auction_quantities.py",
        "if supply_at(m, tick) >= demand_at(m, tick):",
        "if supply_at(m, tick) > demand_at(m, tick):",
        "the first tick without a surplus of buys is missed",
    ),
    Fault(
        "phases/auction_quantities.py",
        "    return min(supply, demand)\n",
        "    return supply\n",
        "ticks with fewer buys count as equally good",
    ),
    Fault(
        "phases/auction_quantities.py",
        "    return max(supply, demand)\n",
        "    return supply\n",
        "ticks with more buys count as equally good",
    ),
    Fault(
        "phases/uncross.py",
        'and i64(auction["extended"]) == 0',
        "and True",
        "the end of an auction is put off without end",
    ),
    Fault(
        "phases/uncross.py",
        '    state["by_collar"] = 0  # it begins: no later price puts it off\n',
        "",
        "an auction is put off after it has begun",
    ),
    Fault(
        "phases/uncross.py",
        'abs(price - state["base_price"]) > i64(auction["extension"])',
        'abs(price - state["base_price"]) >= i64(auction["extension"])',
        "off by one in the extension",
    ),
    Fault(
        "orders/sweep.py",
        '    m.auctions[instrument_id]["extended"] = 0\n',
        "",
        "a second auction is not put off",
    ),
    Fault(
        "orders/sweep.py",
        " + random_seconds(m, instrument_id)\n",
        "\n",
        "an auction ends without random seconds",
    ),
    Fault(
        "book/auctions.py",
        "(seed >> 31 & MODULUS)",
        "(seed & MODULUS)",
        "half of the seed draws nothing",
    ),
    Fault(
        "phases/indicative.py",
        'i64(m.sessions[session_id]["operator"]) == 0:',
        "False:",
        "a member's CLOCK gives seeds",
    ),
    Fault(
        "phases/indicative.py",
        'volume != i64(auction["volume"])',
        "False",
        "an indicative volume alone is not reported",
    ),
    Fault(
        "book/auctions.py",
        '    auction["price"] = 0\n',
        "",
        "a new auction knows the last one's indicative price",
    ),
    Fault(
        "book/auctions.py",
        "        m.auctioned[word] &= ~bit\n",
        "        m.auctioned[word] &= bit\n",
        "an instrument that left its auction has indicative prices",
    ),
    Fault(
        "blocks/trading.py",
        "    on_book = index == top(m, instrument_id, book)\n",
        "    on_book = True\n",
        "a block moves a price past its owner's better order",
    ),
    Fault(
        "orders/mass_cancel.py",
        "    if flags == HALT:\n        gather_account",
        "    if flags != HALT:\n        gather_account",
        "a halt leaves the account's orders",
    ),
    Fault(
        "orders/mass_cancel.py",
        "    set_trader(account)\n",
        "",
        "a halted account trades on the fast path",
    ),
    Fault(
        "admin/bust.py",
        " or is_busted(m, trade_id):",
        ":",
        "a trade is taken back twice",
    ),
    Fault(
        "orders/entry.py",
        '(i64(c["display"]) if tif == IOC else i64(0))',
        "i64(0)",
        "the minimum of an IOC is not looked at",
    ),
    Fault(
        "orders/quote_checks.py",
        '0 < lots_of(c, side) <= i64(order["leaves"])',
        '0 < lots_of(c, side) < i64(order["leaves"])',
        "a side with as many lots loses its place",
    ),
    Fault(
        "orders/quotes.py",
        "    if ask_enters and ask != 0:\n        unlink_side(m, ask)\n",
        "",
        "a bid meets the quote's old ask",
    ),
    Fault(
        "orders/quote_checks.py",
        "deposit + min(money, i64(0)) > account",
        "deposit > account",
        "a bid that shrinks does not pay for its ask",
    ),
    Fault(
        "orders/quote_checks.py",
        "money + deposit > account",
        "money > account",
        "both sides of a quote spend the same money",
    ),
    Fault(
        "orders/quote_checks.py",
        "        if first == own and not is_order(m, next_order(m, first)):\n",
        "        if first == own:\n",
        "a post-only quote does not see what stands behind its old side",
    ),
    Fault(
        "orders/quote_checks.py",
        "i64(of_ask and not (of_bid and first == second))",
        "i64(of_ask)",
        "two refs of one page count as two pages",
    ),
    Fault(
        "orders/quote_checks.py",
        ' or i64(m.protections[account_id]["tripped"]) != 0:',
        ":",
        "an account quotes on after its protection",
    ),
    Fault(
        "orders/quote_protection.py",
        '    known["tripped"] = 0\n',
        "",
        "PROTECT does not let an account quote again",
    ),
    Fault(
        "book/protection.py",
        ' or state["now_ns"] - known["began_ns"] >= known["window_ns"]:',
        ":",
        "a protection counts for ever",
    ),
    Fault(
        "book/protection.py",
        'if not is_quote or known["window_ns"] == 0',
        'if known["window_ns"] == 0',
        "a protection counts other orders",
    ),
    Fault(
        "fast_path/trade.py",
        '            or i64(maker["mode"]) >= QUOTE_BIT\n',
        "",
        "the fast path trades with quotes and does not count",
    ),
    Fault(
        "loop.py",
        ' and state["after"] != QUOTE_ASK:',
        ":",
        "a quote's bid is withdrawn before its ask has entered",
    ),
    Fault(
        "loop.py",
        """    if state["tripped"] != 0:
        begin_withdrawal(m, ENTER_PHASE)
        return
""",
        "",
        "an uncross withdraws no quotes",
    ),
    Fault(
        "blocks/trading.py",
        """    if state["tripped"] != 0:
        begin_withdrawal(m, BLOCK_STOPS)
""",
        "",
        "a block withdraws no quotes",
    ),
    Fault(
        "baskets/entry.py",
        """    if state["tripped"] != 0:
        begin_withdrawal(m, BASKET_STOPS)
""",
        "",
        "an order for a basket withdraws no quotes",
    ),
    Fault(
        "reference/market.py",
        "lambda order: order.quote and order.account.id in self.tripped",
        "lambda order: order.account.id in self.tripped",
        "a protection withdraws other orders",
    ),
    Fault(
        "reference/quotes.py",
        "        market.holds_withdrawals = one is not entering[-1]\n",
        "",
        "the reference: a bid is withdrawn before its ask has entered",
    ),
    Fault(
        "reference/bust.py",
        " or command.target_ref in market.busts:",
        ":",
        "the reference: a trade is taken back twice",
    ),
    Fault(
        "reference/book.py",
        "        price = self.uncross_price(self.last or self.reference)\n",
        "        price = self.uncross_price(self.reference)\n",
        "the indicative price is nearest the listing, not the last trade",
    ),
)
