"""Requests to the venue itself: of operators, and of suppliers about their deliveries."""

import logging
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from exchange.venue.bust_requests import bust_command, read_bust
from exchange.venue.capacity_requests import read_registered, register_command
from exchange.venue.day import session_numbers
from exchange.venue.errors import RequestRefused
from exchange.venue.key_changes import open_new_sessions, with_keys
from exchange.venue.listing_requests import definitions, list_basket, list_instrument
from exchange.venue.parts import VenueParts
from feeds.gateway.peers import Peer
from feeds.gateway.session_messages import Request
from feeds.protocol.delivery_messages import MeterReadings, NoticesRequest
from feeds.protocol.keys import read_entitlements
from feeds.protocol.messages import (
    BustTrade,
    CapacityRegistered,
    CloseDay,
    Definition,
    Done,
    FirmAccounts,
    FirmAccountsRequest,
    KeysKnown,
    KeysRequest,
    ListBasket,
    ListInstrument,
    RefusalReason,
    RegisterCapacity,
    Reply,
    TradeBusted,
)
from ledger.daylog.registry import Registry
from ledger.delivery.inventory import RegisteredCapacity

LOG = logging.getLogger("suanshi.venue")

Records = NDArray[np.void]


class Recorder(Protocol):
    """The venue's loop, as far as requests use it."""

    registry: Registry
    capacity: RegisteredCapacity

    def catch_up(self) -> None:
        """Carry out commands that wait for the engine, so that the next ones may be stamped."""
        ...

    def record(self, registry: Registry, commands: Records) -> Records:
        """Log and process stamped commands; return their events, durable and sent."""
        ...

    def wait_durable(self) -> None:
        """Wait until everything appended is durable, and send what is queued about it."""
        ...

    def close_day(self, operator: Peer) -> None:
        """Close the day after this turn, and tell the operator when it is sealed."""
        ...


class OperatorRequests:
    """Carries out requests one by one; a reply is sent when what it reports is durable."""

    def __init__(self, recorder: Recorder, parts: VenueParts) -> None:
        self._recorder = recorder
        self._clock = parts.clock
        self._day_log = parts.day_log
        self._gateway = parts.gateway
        self._market_data = parts.market_data
        self._zap = parts.zap
        self._metering = parts.metering
        self._keys = parts.keys

    def serve(self) -> None:
        """Carry out the requests that have arrived, and reply to each."""
        messages = self._gateway.messages
        while messages.requests:
            peer, request = messages.requests.pop(0)
            self._recorder.catch_up()
            try:
                reply = self._carry_out(request, peer)
            except ValueError as error:
                messages.refuse(peer, RefusalReason.UNKNOWN, str(error))
            except RequestRefused as error:
                messages.refuse(peer, error.reason, str(error))
            except OSError as error:
                LOG.error("readings cannot be written: %s", error)
                text = "cannot be written; send it once more"
                messages.refuse(peer, RefusalReason.REJECTED, text)
            else:
                if reply is not None:
                    messages.send(peer, reply)

    def _carry_out(self, request: Request, peer: Peer) -> Reply | None:
        """Return the reply to a request; None where it is answered later.

        Raises ValueError, RequestRefused and OSError for a request that is refused.
        """
        session = peer.session_number
        if isinstance(request, ListInstrument):
            return self._list_instrument(request)
        if isinstance(request, ListBasket):
            return self._list_basket(request)
        if isinstance(request, BustTrade):
            return self._bust(request, session)
        if isinstance(request, RegisterCapacity):
            return self._register(request, session)
        if isinstance(request, KeysRequest):
            return self._reload_keys()
        if isinstance(request, FirmAccountsRequest):
            return self._firm_accounts(request)
        if isinstance(request, CloseDay):
            self._close_day(request, peer)
            return None
        return self._deliveries(request, session)

    def _list_instrument(self, request: ListInstrument) -> Done:
        """List an instrument. Raises ValueError where it cannot be listed."""
        registry, commands, done = list_instrument(
            self._recorder.registry, request.symbol, *self._next_stamp()
        )
        self._recorder.record(registry, commands)
        self._define(definitions(registry)[-1:], done.sequence)
        return done

    def _list_basket(self, request: ListBasket) -> Done:
        """List a basket and define its instruments again.

        Raises ValueError where it cannot be listed.
        """
        registry, commands, done = list_basket(
            self._recorder.registry, request.code, request.contracts, *self._next_stamp()
        )
        self._recorder.record(registry, commands)
        members = [each for each in definitions(registry) if request.code in each.baskets]
        self._define(members, done.sequence)
        return done

    def _bust(self, request: BustTrade, session: int) -> TradeBusted:
        """Bust a trade. Raises RequestRefused where the venue or the engine refuses it."""
        _require_session(session)
        self._recorder.wait_durable()  # so that the reports have every trade's fills
        now_ns, sequence = self._next_stamp()
        command = bust_command(self._gateway.streams, request, session, now_ns, sequence)
        return read_bust(self._recorder.record(self._recorder.registry, command), request.trade_id)

    def _register(self, request: RegisterCapacity, session: int) -> CapacityRegistered:
        """Register capacity. Raises RequestRefused where the venue or the engine refuses it."""
        _require_session(session)
        registry = self._recorder.registry
        command = register_command(
            registry, self._recorder.capacity, request, session, *self._next_stamp()
        )
        return read_registered(self._recorder.record(registry, command))

    def _reload_keys(self) -> KeysKnown:
        """Read the folder of keys again. Raises ValueError where a file there is wrong."""
        entitlements = read_entitlements(self._keys)
        before = self._recorder.registry
        registry = with_keys(before, entitlements)
        self._recorder.record(registry, open_new_sessions(registry, before, *self._next_stamp()))
        self._zap.set_entitlements(entitlements)
        gateway = self._gateway
        numbers = session_numbers(registry)
        return gateway.registry.reload_keys(entitlements, *numbers, gateway.sessions)

    def _close_day(self, request: CloseDay, operator: Peer) -> None:
        """Close the day. Raises ValueError where it is not the day that is served."""
        served = self._recorder.registry.trading_day
        if request.trading_day != served:
            raise ValueError(f"the trading day is {served}, not {request.trading_day}")
        self._recorder.close_day(operator)

    def _firm_accounts(self, request: FirmAccountsRequest) -> FirmAccounts:
        """Return the accounts of a firm. Raises ValueError where there is no such firm."""
        registry = self._recorder.registry
        if all(firm.id != request.firm for firm in registry.firms):
            raise ValueError(f"there is no firm {request.firm}")
        accounts = [each.id for each in registry.accounts if each.member == request.firm]
        return FirmAccounts(firm=request.firm, accounts=accounts)

    def _deliveries(self, request: NoticesRequest | MeterReadings, session: int) -> Reply:
        """Return the dispatch notices of a session's accounts, or the answers to its readings.

        Raises ValueError where the session has logged out, OSError where readings cannot be
        written.
        """
        sessions = self._gateway.registry.sessions.values()
        entitlement = next((e.entitlement for e in sessions if e.number == session), None)
        if entitlement is None:
            raise ValueError("log on first")
        accounts = {
            each.name
            for each in self._recorder.registry.accounts
            if each.member == entitlement.firm
            and (not entitlement.accounts or each.id in entitlement.accounts)
        }
        if isinstance(request, NoticesRequest):
            return self._metering.notices(request, accounts)
        return self._metering.record(request, accounts, session, self._clock.now_ns())

    def _define(self, instruments: list[Definition], sequence: int) -> None:
        """Publish definitions that hold from the command of this sequence, which is durable."""
        self._market_data.define_instruments(instruments, sequence)
        self._market_data.send_durable(sequence)

    def _next_stamp(self) -> tuple[int, int]:
        """Return time in ns and sequence of the next command."""
        return self._clock.now_ns(), self._day_log.next_sequence


def _require_session(session: int) -> None:
    """Raise RequestRefused where a session has logged out since it sent its request."""
    if session == 0:
        raise RequestRefused(RefusalReason.NOT_LOGGED_ON, "log on first")
