"""What operators ask of the venue that is more than one command, carried out one by one."""

import logging
from typing import TYPE_CHECKING

from exchange.venue.bust_requests import BustRefused, bust_command, busted_of
from exchange.venue.day import keys_folder, numbers_of
from exchange.venue.key_changes import opened, with_keys
from exchange.venue.listing_requests import definitions, list_basket, list_instrument
from feeds.gateway.session_messages import Request
from feeds.protocol.delivery_messages import MeterReadings, NoticesRequest
from feeds.protocol.keys import read_entitlements
from feeds.protocol.messages import (
    BustTrade,
    Done,
    FirmAccounts,
    KeysKnown,
    KeysRequest,
    ListBasket,
    ListInstrument,
    RefusalReason,
    Reply,
    TradeBusted,
)

if TYPE_CHECKING:
    from exchange.venue.venue import Venue


LOG = logging.getLogger("suanshi.venue")


class Operators:
    """Answers operators, and suppliers about deliveries.

    Nothing is said before what it tells of is durable.
    """

    def __init__(self, venue: "Venue") -> None:
        self._venue = venue

    def serve(self) -> None:
        """Carry out what was asked."""
        messages = self._venue.gateway.messages
        while messages.requests:
            peer, message = messages.requests.pop(0)
            try:
                reply = self._carry_out(message, peer.session_number)
            except ValueError as error:
                messages.refuse(peer, RefusalReason.UNKNOWN, str(error))
            except BustRefused as error:
                messages.refuse(peer, error.reason, str(error))
            except OSError as error:
                LOG.error("readings cannot be written: %s", error)
                messages.refuse(
                    peer, RefusalReason.REJECTED, "cannot be written; send it once more"
                )
            else:
                messages.send(peer, reply)

    def _carry_out(self, message: Request, session: int) -> Reply:
        """The reply to an operator's request. Raises ValueError and BustRefused, which say no."""
        if isinstance(message, ListInstrument):
            return self._list(message)
        if isinstance(message, ListBasket):
            return self._list_basket(message)
        if isinstance(message, BustTrade):
            return self._bust(message, session)
        if isinstance(message, KeysRequest):
            return self._keys()
        if isinstance(message, NoticesRequest | MeterReadings):
            return self._deliveries(message, session)
        registry = self._venue.registry
        if all(firm.id != message.firm for firm in registry.firms):
            raise ValueError(f"there is no firm {message.firm}")
        accounts = [each.id for each in registry.accounts if each.member == message.firm]
        return FirmAccounts(firm=message.firm, accounts=accounts)

    def _list(self, message: ListInstrument) -> Done:
        """List an instrument. Raises ValueError where that cannot be."""
        venue = self._venue
        registry, commands, done = list_instrument(
            venue.registry, message.symbol, venue.clock.now_ns(), venue.log.next_sequence
        )
        venue.record(registry, commands)
        venue.market.define_instruments(definitions(registry)[-1:], done.sequence)
        venue.market.send_durable(done.sequence)
        return done

    def _list_basket(self, message: ListBasket) -> Done:
        """List a basket, and define its instruments again. Raises ValueError where it cannot be."""
        venue = self._venue
        now_ns, sequence = venue.clock.now_ns(), venue.log.next_sequence
        registry, commands, done = list_basket(
            venue.registry, message.code, message.contracts, now_ns, sequence
        )
        venue.record(registry, commands)
        members = [each for each in definitions(registry) if message.code in each.baskets]
        venue.market.define_instruments(members, done.sequence)
        venue.market.send_durable(done.sequence)
        return done

    def _bust(self, message: BustTrade, session: int) -> TradeBusted:
        """Take a trade back. Raises BustRefused where the venue or the machine says no."""
        if session == 0:  # it has gone since it asked
            raise BustRefused(RefusalReason.NOT_LOGGED_ON, "log on first")
        venue = self._venue
        venue.settle()  # so that every trade's fills are found
        now_ns, sequence = venue.clock.now_ns(), venue.log.next_sequence
        command = bust_command(venue.gateway.streams, message, session, now_ns, sequence)
        return busted_of(venue.record(venue.registry, command), message.trade_id)

    def _deliveries(self, message: NoticesRequest | MeterReadings, session: int) -> Reply:
        """What a firm's session is to deliver, or what becomes of what it says it has.

        Raises ValueError where it has gone, OSError where readings cannot be written.
        """
        venue = self._venue
        found = [
            each for each in venue.gateway.registry.sessions.values() if each.number == session
        ]
        if not found:
            raise ValueError("log on first")
        rights = found[0].entitlement
        accounts = {
            each.name for each in venue.registry.accounts
            if each.member == rights.firm and (not rights.accounts or each.id in rights.accounts)
        }  # fmt: skip
        if isinstance(message, NoticesRequest):
            return venue.metering.tell(message, accounts)
        return venue.metering.take(message, accounts, session, venue.clock.now_ns())

    def _keys(self) -> KeysKnown:
        """Look at the folder of keys again. Raises ValueError where a file there is wrong."""
        venue = self._venue
        entitlements = read_entitlements(keys_folder(venue.config))
        registry = with_keys(venue.registry, entitlements)
        now_ns, sequence = venue.clock.now_ns(), venue.log.next_sequence
        venue.record(registry, opened(registry, venue.registry, now_ns, sequence))
        venue.zap.set_entitlements(entitlements)
        gateway = venue.gateway
        return gateway.registry.reload_keys(entitlements, *numbers_of(registry), gateway.sessions)
