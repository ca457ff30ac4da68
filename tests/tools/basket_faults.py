"""Deliberate faults in orders for baskets; see faults.py."""

from tests.tools.fault import Fault

BASKET_KERNEL = (
    Fault(
        "baskets/candidates.py",
        "        steps += 1\n",
        "",
        "every hour of a basket is its first",
    ),
    Fault(
        "baskets/candidates.py",
        'if hours > max(i64(m.instruments[instrument_id]["longest"]), i64(1)):',
        "if hours > 168:",
        "blocks of a basket are as long as they like",
    ),
    Fault(
        "baskets/candidates.py",
        "(what == TRADES and phase != CONTINUOUS)",
        "(what == TRADES and phase_reason(phase) != NONE)",
        "an order for a basket trades in an auction",
    ),
    Fault(
        "baskets/candidates.py",
        '            room = min(cap, i64(position["registered"])) - uncovered\n',
        "            room = cap - uncovered\n",
        "a basket's seller sells what it does not have",
    ),
    Fault(
        "baskets/candidates.py",
        '        place["limit_room"] = max(cap - toward, i64(0))\n',
        '        place["limit_room"] = cap - toward\n',
        "a full member takes room from the others",
    ),
    Fault(
        "baskets/candidates.py",
        "        if span_of(order) == 0:\n            limit = limit_index",
        "        if span_of(order) != 0:\n            limit = limit_index",
        "limit for blocks of a basket in each hour, and none for one hour",
    ),
    Fault(
        "baskets/candidates.py",
        '        place["bound"] = collar_bound(m, instrument_id, side, limit)\n',
        '        place["bound"] = limit\n',
        "an order for a basket ignores collars",
    ),
    Fault(
        "baskets/candidates.py",
        "        least = min(least, room_at(m, k, j, of_limit))\n",
        "        least = max(least, room_at(m, k, j, of_limit))\n",
        "one hour with room is enough for a whole block",
    ),
    Fault(
        "baskets/candidates.py",
        "            together += room_at(m, k, j, of_limit)\n",
        "            together = max(together, room_at(m, k, j, of_limit))\n",
        "members do not sell together",
    ),
    Fault(
        "baskets/candidates.py",
        "            needed = max(needed, of_member)\n",
        "            needed = max(needed, of_member) if needed == 0 else needed\n",
        "a whole sell needs the first member's deposit, not the dearest",
    ),
    Fault(
        "baskets/candidates.py",
        "            of_hour = max(of_hour, deposit_at(m, order, k, j))\n",
        "            of_hour += deposit_at(m, order, k, j)\n",
        "a split sell needs the deposits of all members",
    ),
    Fault(
        "baskets/candidates.py",
        '        rate = max(rate, i64(instrument["dearer_rate"]))\n',
        '        rate = max(rate, i64(instrument["taker_rate"]))\n',
        "an order for a basket holds the taker's fee alone",
    ),
    Fault(
        "baskets/candidates.py",
        "return price < than if",
        "return price <= than if",
        "equal prices go to the member listed last",
    ),
    Fault(
        "baskets/candidates.py",
        '            lots += i64(m.orders[slot]["leaves"])\n',
        '            lots += i64(m.orders[slot]["shown"])\n',
        "a split order does not count what icebergs hide",
    ),
    Fault(
        "baskets/candidates.py",
        '        taken = min(wanted, seen, place["left"])\n',
        "        taken = min(wanted, seen)\n",
        "a split order counts on more than it has room for",
    ),
    Fault(
        "baskets/candidates.py",
        "return total if span_of(order) == 0 or is_within(order, total) else i64(-1)",
        "return total",
        "a whole block pays more than its limit",
    ),
    Fault(
        "baskets/candidates.py",
        "    if fits and is_within(order, total):\n",
        "    if fits:\n",
        "a split block pays more than its limit",
    ),
    Fault(
        "baskets/candidates.py",
        "        if j != best:\n            exclude_member(m, hours_of(order), j)\n",
        "        if j == best + 1:\n            exclude_member(m, hours_of(order), j)\n",
        "a whole order trades in several members",
    ),
    Fault(
        "baskets/entry.py",
        "            in_band = in_band or has_all_hours",
        "            in_band = has_all_hours",
        "only the last member's band counts",
    ),
    Fault(
        "baskets/entry.py",
        "(highest_price(m, order) * tick_of(m))",
        '(i64(order["price"]) * tick_of(m))',
        "the largest order for a basket is that at its limit",
    ),
    Fault(
        "baskets/entry.py",
        "    exclude_full_places(m, order, whole)\n",
        "",
        "members without room ask for their deposit",
    ),
    Fault(
        "baskets/entry.py",
        "    set_reserve(m, order, i64(0))\n",
        "",
        "skipped release: an order for a basket that traded in part holds money",
    ),
    Fault(
        "baskets/entry.py",
        '        state["trade_groups"] += 1\n',
        '        state["trade_groups"] += 0\n',
        "trades of a basket have the group of those before",
    ),
    Fault(
        "baskets/entry.py",
        '                order["cumulative"] = 0\n',
        "                pass\n",
        "a block of a basket counts on from hour to hour",
    ),
    Fault(
        "baskets/entry.py",
        '    place["room"] -= quantity\n',
        "",
        "an order for a basket takes more from a member than it has room for",
    ),
    Fault(
        "baskets/entry.py",
        '        position["open_buy"] += quantity\n',
        "        pass\n",
        "open quantity of a basket's buyer is taken off and was never there",
    ),
    Fault(
        "orders/stops.py",
        "    recheck_collar(m, instrument_id)\n",
        "",
        "a basket's trade lets no block trade that a collar held",
    ),
    Fault(
        "baskets/entry.py",
        "trigger_hour(m, place, instrument_id",
        "trigger_hour(m, m.places[0], instrument_id",
        "stops of a basket's trades: distances from another instrument's price",
    ),
    Fault(
        "admin/basket_listing.py",
        "        or unlike\n",
        "",
        "a basket of instruments of different ticks",
    ),
    Fault(
        "admin/basket_listing.py",
        "        or has_member_of(m, number, last_of_sequence(m, instrument_id))\n",
        "",
        "two members of a basket are of one sequence",
    ),
    Fault(
        "admin/sequences.py",
        "        or would_join_members(m, before_id, last_of_sequence(m, instrument_id))\n",
        "",
        "a sequence joins two members of a basket",
    ),
)

BASKET_REFERENCE = (
    Fault(
        "reference/baskets.py",
        "            yield order.cost(maker.price), lots\n",
        "            yield order.cost(maker.price), maker.leaves\n",
        "a split order counts on more than it has room for",
    ),
    Fault(
        "reference/baskets.py",
        "return min(costs, key=lambda cost: cost[0])[1] if costs else []",
        "return costs[0][1] if costs else []",
        "whole takes the first member that can",
    ),
    Fault(
        "reference/baskets.py",
        "    return total if total <= order.cost(order.price) * order.total_lots else None\n",
        "    return total\n",
        "a block of a basket pays more than its limit",
    ),
    Fault(
        "reference/baskets.py",
        "            _, _, one, maker = min(fronts, key=lambda front: front[:2])\n",
        "            _, _, one, maker = min(fronts, key=lambda front: (front[0], -front[1]))\n",
        "equal prices go to the member listed last",
    ),
    Fault(
        "reference/baskets.py",
        "            one.room -= lots\n",
        "",
        "an order for a basket takes more from a member than it has room for",
    ),
    Fault(
        "reference/baskets.py",
        "    low, high = hour.collar_range()\n",
        "    low, high = hour.low, hour.high\n",
        "an order for a basket trades beyond a collar",
    ),
)
