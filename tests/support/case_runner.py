"""Runs a rule case on an engine and compares its events with the outcomes of the case."""

import re
from itertools import count, pairwise
from typing import Any

import numpy as np

from matching.limits import Limits
from matching.records import (
    COMMAND,
    CommandFlag,
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.support.case_language import Case, Step

BASE_S = 1_700_000_000
FIRM = 1
OPERATOR = 0
BASKET = 1
LIMITS = Limits(
    sessions=32, accounts=32, instruments=4, orders=256, refs=4096, ref_pages=64, ticks=1 << 14
)

CLASSES = {
    Reason.UNKNOWN_ORDER: "unknown",
    Reason.DUPLICATE_REF: "duplicate",
    Reason.BAND: "band",
    Reason.FUNDS: "funds",
    Reason.DEPOSIT: "funds",
    Reason.CAPACITY: "capacity",
    Reason.ACCOUNT_HALTED: "account",
}
KILLS = (Reason.POST_ONLY, Reason.FOK)
PHASES = {phase.name.lower().replace("_", "-"): phase for phase in Phase}
MODES = {mode.name.lower(): mode for mode in SelfTradePrevention}


class World:
    """An engine set up for a case, and the names of the case by number."""

    def __init__(self, engine_class: type, case: Case) -> None:
        self.case = case
        self.engine = engine_class(LIMITS)
        self.now_s = 0
        self.next_ref = count(1000)
        self.mode = SelfTradePrevention.NONE
        self.sequence = count(1)
        self.instruments = {"X": 1}
        self.accounts: dict[str, int] = {}
        self.sessions: dict[str, int] = {}
        self.session_of: dict[str, str] = {}
        self.declared: dict[str, dict[str, str]] = {}
        self.accepted: set[tuple[int, int]] = set()
        self.names: dict[tuple[int, int], str] = {}
        self.options: dict[str, list[str]] = {}
        self.phase = Phase.CLOSED
        self.set_up()

    # Sending

    def send(self, kind: int, **fields: int) -> Any:
        """Send one command; returns its events."""
        command = np.zeros(1, COMMAND)
        command["kind"] = kind
        command["sequence"] = next(self.sequence)
        command["time_ns"] = (BASE_S + self.now_s) * 10**9
        for name, value in fields.items():
            command[name] = value
        return self.engine.process(command).copy()

    def administer(self, kind: int, **fields: int) -> None:
        """Send a command of the venue that must be accepted."""
        events = self.send(kind, **fields)
        refused = [Reason(e["reason"]) for e in events if e["kind"] == EventKind.REJECTED]
        assert not refused, f"{self.case.title}: setting up {CommandKind(kind).name}: {refused}"

    def session(self, name: str) -> int:
        """The number of a session, which is opened when it is first named."""
        if name not in self.sessions:
            self.sessions[name] = len(self.sessions) + 1
            self.administer(CommandKind.SESSION, target_ref=self.sessions[name], account=FIRM)
        return self.sessions[name]

    def account(self, name: str) -> int:
        """The number of an account, which is opened as the case declares it when first named."""
        if name in self.accounts:
            return self.accounts[name]
        number = self.accounts[name] = len(self.accounts) + 1
        declared = self.declared.get(name, {})
        group = sum(ord(letter) << (8 * i) for i, letter in enumerate(declared.get("group", "")))
        self.administer(CommandKind.ACCOUNT, account=number, target_ref=FIRM, quantity=group)
        self.session_of[name] = declared.get("session", name)
        self.session(self.session_of[name])
        money = int(declared.get("money", 10**12))
        if money:
            self.administer(CommandKind.FUND, account=number, amount_fen=money)
        capacity = int(declared.get("capacity", 10**7))
        for instrument in self.instruments.values():
            if capacity:
                self.administer(
                    CommandKind.REGISTER, account=number, instrument=instrument, quantity=capacity
                )
        return number

    def order(self, name: str) -> tuple[int, int]:
        """Session and ref of an order's name."""
        letters, number = re.fullmatch(r"([a-z]+)(\d+)", name).groups()  # type: ignore[union-attr]
        self.account(letters)
        key = self.session(self.session_of[letters]), int(number)
        self.names[key] = name
        return key

    # Setting up

    def set_up(self) -> None:
        """Set up instruments and accounts as the lines before the first command ask."""
        values: dict[str, list[str]] = {}
        for words in self.case.setup:
            if words[0] == "account":
                options = dict(zip(words[2::2], words[3::2], strict=True))
                self.declared[words[1]] = options
            elif words[0] == "instrument":
                self.instruments[words[1]] = len(self.instruments) + 1
            else:
                values[words[0]] = words[1:]
        self.mode = MODES[values.get("stp", ["none"])[0]]
        for number in self.instruments.values():
            self.list_instrument(number, values)
        for words in self.case.setup:
            if words[0] == "sequence":
                self.link_sequence([self.instruments[name] for name in words[1:]])
        for name in values.get("basket", []):
            number = self.instruments[name]
            self.administer(CommandKind.BASKET, instrument=number, target_ref=BASKET)
        for name in self.account_names():
            self.account(name)

    def link_sequence(self, sequence: list[int]) -> None:
        """Link these instruments as a sequence."""
        for before, number in pairwise(sequence):
            self.administer(
                CommandKind.SEQUENCE, instrument=number, target_ref=before, quantity=168
            )

    def account_names(self) -> list[str]:
        """The accounts of the case, opened before it starts, because every command moves time."""
        words = [word for step in self.case.steps for word in step.words]
        orders = (re.fullmatch(r"([a-z]+)\d+", word) for word in words)
        named = [order[1] for order in orders if order]
        verbs = ("fund", "withdraw", "register", "halt")
        named += [step.words[1] for step in self.case.steps if step.words[0] in verbs]
        return list(dict.fromkeys([*self.declared, *named]))

    def list_instrument(self, number: int, values: dict[str, list[str]]) -> None:
        """List an instrument with the case's settings."""
        low, high = (int(word) for word in values.get("band", ["50", "150"]))
        fees = values.get("fees", ["maker", "0", "taker", "0"])
        times = [int(values[word][0]) if word in values else 0 for word in ("day-end", "gate")]
        close_s, gate_s = (BASE_S + time if time else 0 for time in times)
        reference = int(values.get("reference", ["100"])[0])
        phase = PHASES[values.get("phase", ["continuous"])[0]]
        deposit = int(values.get("deposit", ["0"])[0])
        self.administer(CommandKind.LIST, instrument=number, price=reference, quantity=1)
        self.administer(CommandKind.BAND, instrument=number, price=low, stop=high)
        self.administer(
            CommandKind.FEES,
            instrument=number,
            price=int(fees[1]),
            stop=int(fees[3]),
            quantity=deposit,
        )
        self.administer(CommandKind.TIMES, instrument=number, expiry_s=close_s, target_ref=gate_s)
        if "collar" in values:
            ticks, _, seconds, *extension = values["collar"]
            self.administer(
                CommandKind.COLLAR,
                instrument=number,
                price=int(ticks),
                quantity=int(seconds),
                stop=int(extension[1]) if extension else 0,
            )
        self.administer(CommandKind.PHASE, instrument=number, type=phase)

    # Commands

    def run(self, step: Step) -> list[str]:
        """Send a command of the case; returns its outcomes in the words of the case."""
        verb, *rest = step.words
        if verb == "at":
            self.now_s = int(rest[0])
            return []
        action = getattr(self, "do_" + verb.replace("-", "_"), None)
        events = action(*rest) if action else self.do_order(verb, *rest)
        return self.outcomes(events)

    def do_clock(self, time: str) -> Any:
        self.now_s = int(time)
        return self.send(CommandKind.CLOCK)

    def do_order(self, name: str, side: str, quantity: str, _: str, price: str, *rest: str) -> Any:
        session, ref = self.order(name)
        words = iter(rest)
        fields: dict[str, int] = {"tif": TimeInForce.GTC, "instrument": 1}
        for word in words:
            if word in ("gtc", "day", "ioc", "fok", "gtd"):
                fields["tif"] = TimeInForce[word.upper()]
                if word == "gtd":
                    fields["expiry_s"] = BASE_S + int(next(words))
            elif word == "post":
                fields["flags"] = CommandFlag.POST_ONLY
            elif word in ("show", "least"):
                fields["display"] = int(next(words))
            elif word == "hours":
                fields["hours"] = int(next(words))
            elif word in ("split", "whole"):
                fields |= {"target_ref": BASKET, "flags": CommandFlag[word.upper()]}
            elif word == "stop":
                fields["stop"] = int(next(words))
            else:
                assert word == "in", word
                fields["instrument"] = self.instruments[next(words)]
        limit = 0 if price == "market" else int(price)
        fields["type"] = {
            (False, False): OrderType.MARKET,
            (True, False): OrderType.LIMIT,
            (False, True): OrderType.STOP,
            (True, True): OrderType.STOP_LIMIT,
        }[limit > 0, "stop" in fields]
        return self.send(
            CommandKind.NEW,
            session=session,
            user_ref=ref,
            account=self.accounts[re.sub(r"\d+", "", name)],
            side=Side[side.upper()],
            quantity=int(quantity),
            price=limit,
            stp=self.mode,
            **fields,
        )

    def do_cancel(self, name: str, *by: str) -> Any:
        session, target = self.order(name)
        if by:
            session = self.by_session(by[1])
        ref = next(self.next_ref)
        return self.send(CommandKind.CANCEL, session=session, user_ref=ref, target_ref=target)

    def by_session(self, name: str) -> int:
        """A session by its name; an account's own session is opened with the account."""
        if name not in self.session_of.values():
            self.account(name)
        return self.session(name)

    def do_replace(self, name: str, quantity: str, _: str, price: str, *requeue: str) -> Any:
        session, target = self.order(name)
        return self.send(
            CommandKind.REPLACE,
            session=session,
            user_ref=next(self.next_ref),
            target_ref=target,
            quantity=int(quantity),
            price=int(price),
            flags=CommandFlag.REQUEUE if requeue else 0,
        )

    def do_quote(self, name: str, *words: str) -> Any:
        session, ref = self.order(name)
        letters = name.rstrip("0123456789")
        self.order(f"{letters}{ref + 1}")
        bid, _, bid_price, ask, _, ask_price, *where = words
        return self.send(
            CommandKind.QUOTE,
            session=session,
            user_ref=next(self.next_ref),
            target_ref=ref,
            account=self.account(letters),
            instrument=self.instruments[where[1]] if where else 1,
            type=OrderType.LIMIT,
            tif=TimeInForce.DAY,
            stp=self.mode,
            price=int(bid_price),
            quantity=int(bid),
            stop=int(ask_price),
            display=int(ask),
        )

    def do_protect(self, name: str, *words: str) -> Any:
        account = self.account(name)
        bounds = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        return self.send(
            CommandKind.PROTECT,
            session=self.session(self.session_of[name]),
            user_ref=next(self.next_ref),
            account=account,
            quantity=bounds.get("lots", 0),
            display=bounds.get("fills", 0),
            amount_fen=bounds.get("fen", 0),
            expiry_s=bounds["seconds"],
        )

    def do_mass_cancel(self, scope: str, name: str, *by: str) -> Any:
        fields: dict[str, int] = {"type": MassCancelScope[scope.upper()]}
        if scope == "session":
            session = self.by_session(name)
        elif scope == "account":
            fields["account"] = self.account(name)
            session = self.session(self.session_of[name])
        else:
            fields["instrument"] = self.instruments[name]
            session = self.by_session(by[1])
        ref = next(self.next_ref)
        return self.send(CommandKind.MASS_CANCEL, session=session, user_ref=ref, **fields)

    def do_phase(self, name: str, *where: str) -> Any:
        number = self.instruments[where[1]] if where else 1
        return self.send(CommandKind.PHASE, instrument=number, type=PHASES[name])

    def do_fund(self, name: str, amount: str) -> Any:
        return self.send(CommandKind.FUND, account=self.account(name), amount_fen=int(amount))

    def do_withdraw(self, name: str, amount: str) -> Any:
        return self.send(CommandKind.WITHDRAW, account=self.account(name), amount_fen=int(amount))

    def do_register(self, name: str, lots: str) -> Any:
        account = self.account(name)
        return self.send(CommandKind.REGISTER, account=account, instrument=1, quantity=int(lots))

    def do_halt(self, name: str) -> Any:
        account = self.account(name)
        return self.send(CommandKind.HALT_ACCOUNT, account=account, flags=CommandFlag.HALT)

    # Outcomes

    def outcomes(self, events: Any) -> list[str]:
        """The outcomes of events, in the words of the case."""
        lines: list[str] = []
        maker: str = ""
        for event in events:
            kind = EventKind(event["kind"])
            key = int(event["session"]), int(event["user_ref"])
            name = self.names.get(key, "?")
            if kind == EventKind.FILLED:
                if event["flags"] & EventFlag.TAKER:
                    lines.append(self.trade(maker, name, event))
                maker = name
            elif kind == EventKind.REJECTED:
                reason = Reason(event["reason"])
                kill = reason in KILLS
                lines.append(
                    f"killed {name}" if kill else f"rejected {CLASSES.get(reason, reason.name)}"
                )
            elif kind == EventKind.PHASE_CHANGED:
                self.phase = Phase(event["flags"])
            elif kind == EventKind.ACCEPTED:
                self.accepted.add(key)
                lines.append(f"accepted {name}")
            elif kind in (EventKind.REPLACED, EventKind.TRIGGERED):
                lines.append(f"{kind.name.lower()} {name}")
            elif kind in (EventKind.CANCELLED, EventKind.EXPIRED):
                lines.append(f"{kind.name.lower()} {name} {event['quantity']}")
            elif kind in (
                EventKind.FUNDED,
                EventKind.WITHDRAWN,
                EventKind.REGISTERED,
                EventKind.ACCOUNT_HALTED,
            ):
                lines.append("accepted")
        return lines

    def trade(self, maker: str, taker: str, event: Any) -> str:
        """The line of a trade, of a leg, or of a pair in an uncross, whose buyer comes first."""
        amounts = f"{event['price']} {event['quantity']}"
        if event["trade_group"]:
            hours = {number: name for name, number in self.instruments.items()}
            return f"leg {hours[int(event['instrument'])]} {maker} {taker} {amounts}"
        if not event["flags"] & EventFlag.AUCTION:
            return f"trade {maker} {taker} {amounts}"
        buy, sell = (taker, maker) if event["side"] == Side.BUY else (maker, taker)
        return f"pair {buy} {sell} {amounts}"

    # State

    def check(self, words: list[str]) -> None:
        """Assert a line that starts with `=`."""
        noun, *rest = words
        getattr(self, "check_" + noun)(*rest)

    def check_book(self, side: str, *levels: str) -> None:
        expected = [tuple(int(part) for part in level.split(":")) for level in levels]
        depth = [(int(p), int(q)) for p, q in self.engine.depth(1, 1000)[Side[side.upper()]]]
        assert depth == expected

    def check_phase(self, name: str) -> None:
        assert self.phase == PHASES[name]

    def check_queue(self, side: str, price: str, *names: str) -> None:
        keys = self.engine.queue(1, Side[side.upper()], int(price))
        assert [self.names[int(s), int(r)] for s, r in keys] == list(names)

    def check_live(self, name: str, leaves: str) -> None:
        assert self.engine.leaves(*self.order(name)) == int(leaves)

    def check_dead(self, name: str) -> None:
        key = self.order(name)
        assert key in self.accepted
        assert self.engine.leaves(*key) is None

    def check_free(self, name: str, amount: str) -> None:
        assert self.engine.free_fen(self.account(name)) == int(amount)

    def check_capacity(self, name: str, lots: str) -> None:
        assert self.engine.available(self.account(name), 1) == int(lots)


def run_case(engine_class: type, case: Case) -> None:
    """Run a case. Raises AssertionError with the line that does not hold."""
    world = World(engine_class, case)
    for step in case.steps:
        place = f"{case.source}:{step.line} ({case.title}): {' '.join(step.words)}"
        if step.words[0] == "=":
            try:
                world.check(step.words[1:])
            except AssertionError as error:
                raise AssertionError(f"{place}: {error}") from error
            continue
        assert_outcomes(world.run(step), step.outcomes, place)


def assert_outcomes(outcomes: list[str], expected: list[list[str]], place: str) -> None:
    """Compare outcomes under the three rules of tests/cases/README.md."""
    if expected == [["no trades"]]:
        assert not any(line.startswith(("trade", "pair", "leg")) for line in outcomes), (
            f"{place}: {outcomes}"
        )
        return
    expected = _killed_in_one_line(expected)
    flat = [line for lines in expected for line in lines]
    outcomes = _as_killed(outcomes, flat)
    for triggered in (True, False):
        ours = _added_up([line for line in outcomes if line.startswith("triggered") == triggered])
        groups = [lines for lines in expected if lines[0].startswith("triggered") == triggered]
        theirs = _added_up([line for lines in groups for line in lines])
        swaps = {frozenset(lines) for lines in groups if len(lines) > 1}
        assert _canonical(ours, swaps) == _canonical(theirs, swaps), (
            f"{place}: {ours}, expected {theirs}"
        )


def _killed_in_one_line(expected: list[list[str]]) -> list[list[str]]:
    """Drop `accepted` and `cancelled` of an order that has a `killed` line: they are part of it."""
    killed = {lines[0].split()[1] for lines in expected if lines[0].startswith("killed")}
    return [
        lines
        for lines in expected
        if lines[0].startswith("killed") or lines[0].split()[-1] not in killed
    ]


def _as_killed(outcomes: list[str], expected: list[str]) -> list[str]:
    """Write the form "accepted, then cancelled whole" of a killed order as one `killed` line."""
    killed = [line.split()[1] for line in expected if line.startswith("killed")]
    for name in killed:
        if outcomes[:1] == [f"accepted {name}"] and len(outcomes) == 2:
            return [f"killed {name}"]
    return outcomes


def _added_up(lines: list[str]) -> list[str]:
    """Add up neighbouring trades of the same orders and price."""
    result: list[str] = []
    for line in lines:
        if line.startswith(("trade", "pair", "leg")) and result:
            head, quantity = line.rsplit(" ", 1)
            before, earlier = result[-1].rsplit(" ", 1)
            if head == before:
                result[-1] = f"{head} {int(earlier) + int(quantity)}"
                continue
        result.append(line)
    return result


def _canonical(lines: list[str], swaps: set[frozenset[str]]) -> list[str]:
    """Sort neighbouring lines that may come in either order."""
    lines = list(lines)
    for i in range(len(lines) - 1):
        if frozenset(lines[i : i + 2]) in swaps and lines[i] > lines[i + 1]:
            lines[i], lines[i + 1] = lines[i + 1], lines[i]
    return lines
