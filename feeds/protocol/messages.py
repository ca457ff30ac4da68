"""Session messages: everything between broker and venue that is no order and no report.

Each is a msgpack map with its name under `type`. They are not numbered, resent or stored. An
unknown key is ignored, so that a later version may add keys. A message with a missing or wrong
value is refused.
"""

from enum import IntEnum
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from feeds.protocol.delivery_messages import MeterAnswers, MeterReadings, Notices, NoticesRequest
from feeds.protocol.records import FRAME_HEAD, PROTOCOL_VERSION, FrameKind
from matching.records import BASKET_MEMBERS_MAX, POSITION_MAX

NonNegative = Annotated[int, Meta(ge=0, le=2**53)]
Positive = Annotated[int, Meta(ge=1, le=2**53)]
Text = Annotated[str, Meta(max_length=200)]


class RefusalReason(IntEnum):
    """Reason for refusing a frame or ending a session. A refused frame uses up no user_ref."""

    NONE = 0
    MALFORMED_FRAME = 1  # head, size, number of parts, count, or kinds mixed in one frame
    NOT_LOGGED_ON = 2
    NOT_ENTITLED = 3  # the key's role or accounts do not allow it
    STALE = 4  # its valid-until has passed
    RATE = 5  # more commands than the session may send
    REF_NOT_NEW = 6  # not above the last user_ref, and never answered before
    REF_WINDOW = 7  # too far above the last user_ref, or above ref_max
    BLOCKED = 8  # an operator has stopped this session
    VERSION = 9  # a protocol version that the venue does not support
    BAD_MESSAGE = 10  # not msgpack, or not a message that the venue receives
    NEXT_REPORT = 11  # a request for reports that do not exist yet
    UNKNOWN_ORDER = 12  # no report of this session has this user_ref
    REPLACED = 13  # the same key logged on in another connection
    SLOW = 14  # the broker reads too slowly; log on again from the first missing report
    DAY_OVER = 15  # the trading day has ended
    REQUESTED = 16  # the broker's own logout
    UNKNOWN = 17  # an operator's request names something that does not exist
    BUSTED_ALREADY = 18  # the trade is busted already
    REJECTED = 19  # an operator's request was rejected; `text` has the machine's reason
    SILENT = 20  # a session with cancel_on_disconnect sent nothing for silence_ms_max
    REVOKED = 21  # the key was revoked or replaced
    INVENTORY = 22  # more capacity than is installed
    ORDER_TO_TRADE = 23  # too many commands for the session's trades; only cancels are taken
    STOPPING = 24  # the venue stops, and goes on with the same day when it starts again


class Logon(Struct, tag="logon", frozen=True, kw_only=True):
    """First message of a connection: asks to open the session."""

    version: int = PROTOCOL_VERSION
    next_report: NonNegative = 0  # the first report wanted; 0: new reports only
    cancel_on_disconnect: bool = False
    client: Text = ""  # name of the broker's program, for the venue's log


class LogonAck(Struct, tag="logon_ack", frozen=True, kw_only=True):
    """The session is open."""

    version: int
    venue: str
    trading_day: str
    session: int
    name: str
    role: str
    next_report: int  # number of the next new report
    last_ref: int  # the greatest user_ref that the venue accepted from this session
    ref_max: int  # the greatest user_ref allowed
    orders_per_s: int
    frame_records_max: int
    heartbeat_ms: int  # the venue sends a heartbeat after this time without other frames
    silence_ms_max: int  # a session that sends nothing for this time is ended; 0: never
    time_ns: int  # now, by the venue's clock
    commands_left: int = -1  # before NEW, REPLACE and QUOTE are refused today; -1: no limit
    commands_per_trade: int = 0  # so many more are left after each trade


class Logout(Struct, tag="logout", frozen=True, kw_only=True):
    """Ends the session. The connection stays, and may log on again if the reason allows it."""

    reason: RefusalReason = RefusalReason.REQUESTED
    text: Text = ""


class ResendRequest(Struct, tag="resend", frozen=True, kw_only=True):
    """Request for all reports from a number on. They come again marked RESENT, then new ones."""

    from_report: Positive


class OrderStatusRequest(Struct, tag="order_status", frozen=True, kw_only=True):
    """Request for the last report of an order (FIX OrderStatusRequest)."""

    user_ref: Positive


class Refusal(Struct, tag="refusal", frozen=True, kw_only=True):
    """Refusal of a message, or of a frame with all its records."""

    reason: RefusalReason
    text: str
    user_ref: int = 0  # of the first record refused; 0: none
    index: int = 0  # of that record in the frame, from 0
    count: int = 0  # number of records refused


class ListInstrument(Struct, tag="list_instrument", frozen=True, kw_only=True):
    """Operator's request to list an instrument. Its symbol names contract and delivery time."""

    symbol: Text


class ListBasket(Struct, tag="list_basket", frozen=True, kw_only=True):
    """Operator's request to list a basket; at equal prices the earlier contract trades first."""

    code: Text
    contracts: Annotated[list[Text], Meta(min_length=1, max_length=BASKET_MEMBERS_MAX)]


class BustTrade(Struct, tag="bust_trade", frozen=True, kw_only=True):
    """Operator's request to bust a trade of the day, for both of its sides."""

    instrument: Positive
    trade_id: Positive


class TradeBusted(Struct, tag="bust_trade_ack", frozen=True, kw_only=True):
    """The busted trade, and the fees that are given back."""

    sequence: int  # of the BUST in the day log
    trade_id: int
    instrument: int
    price: int
    quantity: int
    buyer: int  # account
    seller: int  # account
    buyer_fee_fen: int
    seller_fee_fen: int


class RegisterCapacity(Struct, tag="register_capacity", frozen=True, kw_only=True):
    """Operator's request to register capacity that an account may sell, or to take some back."""

    account: Positive
    instrument: Positive
    quantity: Annotated[int, Meta(ge=-POSITION_MAX, le=POSITION_MAX)]  # lots; below 0: less


class CapacityRegistered(Struct, tag="register_capacity_ack", frozen=True, kw_only=True):
    """The change of capacity was carried out."""

    sequence: int  # of the REGISTER in the day log
    account: int
    instrument: int
    quantity: int
    registered: int  # lots of this account in this instrument now


class FirmAccountsRequest(Struct, tag="firm_accounts", frozen=True, kw_only=True):
    """Operator's request for the accounts of a firm."""

    firm: Positive


class FirmAccounts(Struct, tag="firm_accounts_ack", frozen=True, kw_only=True):
    """The accounts of a firm, from the venue's list of members."""

    firm: int
    accounts: list[int]


class KillSwitch(Struct, tag="kill_switch", frozen=True, kw_only=True):
    """Operator's request to stop a session and cancel its orders, or to allow it again."""

    session: Text
    stopped: bool = True


class KeysRequest(Struct, tag="keys", frozen=True, kw_only=True):
    """Operator's request to read the venue's folder of keys again."""


class KeysKnown(Struct, tag="keys_ack", frozen=True, kw_only=True):
    """Changes in the folder of keys, as names."""

    added: list[str]
    changed: list[str]  # another key (then its session was ended), or other rights
    revoked: list[str]
    waiting: list[str]  # new drop copies, which become valid with the next start


class CloseDay(Struct, tag="close_day", frozen=True, kw_only=True):
    """Operator's request to end the trading day; it names the day, so that no other is ended."""

    trading_day: Text


class DayClosed(Struct, tag="close_day_ack", frozen=True, kw_only=True):
    """The day is over and its log sealed; the venue logs everybody out and ends."""

    trading_day: str
    sequence: int  # of the day's last command
    events_sha256: str  # of all its events, hexadecimal, as the seal has it


class VenueStatusRequest(Struct, tag="venue_status", frozen=True, kw_only=True):
    """Operator's request for the state of the venue."""


class VenueStatus(Struct, tag="venue_status_ack", frozen=True, kw_only=True):
    """State of the venue, with counters of what it accepted and refused."""

    sequence: int  # of the last command
    sessions: list[str]  # names of those logged on
    counters: dict[str, int]


class Done(Struct, tag="done", frozen=True, kw_only=True):
    """An operator's request was executed."""

    instrument: int = 0  # number of the instrument listed
    basket: int = 0  # number of the basket listed
    sequence: int = 0  # in the day log, of the last command that it caused; 0: none yet


class Definition(Struct, tag="definition", frozen=True, kw_only=True):
    """Definition of an instrument, on the channel of definitions and in its images."""

    instrument: int
    symbol: str
    contract: str
    tick_fen: int
    band_low: int
    band_high: int
    delivery_start_s: int
    delivery_end_s: int
    gate_s: int
    baskets: dict[str, int] = {}  # numbers of its contract's baskets, by their codes


class ImageRequest(Struct, tag="image_request", frozen=True, kw_only=True):
    """Request at the recovery socket for a channel's image, or for trades from a number on."""

    channel: Annotated[str, Meta(min_length=1, max_length=1)]
    instrument: NonNegative  # on the channel of definitions 0 means all
    from_sequence: NonNegative = 0


ToVenue: TypeAlias = (
    Logon
    | Logout
    | ResendRequest
    | OrderStatusRequest
    | ListInstrument
    | ListBasket
    | BustTrade
    | RegisterCapacity
    | FirmAccountsRequest
    | KillSwitch
    | KeysRequest
    | CloseDay
    | VenueStatusRequest
    | NoticesRequest
    | MeterReadings
)
Reply: TypeAlias = (
    Done
    | TradeBusted
    | CapacityRegistered
    | FirmAccounts
    | KeysKnown
    | DayClosed
    | VenueStatus
    | Notices
    | MeterAnswers
)
FromVenue: TypeAlias = LogonAck | Logout | Refusal | Reply
Message: TypeAlias = (
    Logon
    | LogonAck
    | Logout
    | ResendRequest
    | OrderStatusRequest
    | Refusal
    | ListInstrument
    | ListBasket
    | BustTrade
    | TradeBusted
    | RegisterCapacity
    | CapacityRegistered
    | FirmAccountsRequest
    | FirmAccounts
    | KillSwitch
    | KeysRequest
    | KeysKnown
    | CloseDay
    | DayClosed
    | VenueStatusRequest
    | VenueStatus
    | Done
    | Definition
    | ImageRequest
    | NoticesRequest
    | Notices
    | MeterReadings
    | MeterAnswers
)

_encoder = msgspec.msgpack.Encoder()
to_venue: msgspec.msgpack.Decoder[ToVenue] = msgspec.msgpack.Decoder(ToVenue)
from_venue: msgspec.msgpack.Decoder[FromVenue] = msgspec.msgpack.Decoder(FromVenue)
image_request: msgspec.msgpack.Decoder[ImageRequest] = msgspec.msgpack.Decoder(ImageRequest)
definition: msgspec.msgpack.Decoder[Definition] = msgspec.msgpack.Decoder(Definition)


def pack(message: Message, sequence: int = 0) -> bytes:
    """A MESSAGE frame. `sequence`: from the venue, the number of its next report."""
    head = FRAME_HEAD.pack(FrameKind.MESSAGE, 0, 0, 0, sequence)
    return head + _encoder.encode(message)


def encode(message: Message) -> bytes:
    """A message without a frame's head, as on the market and recovery sockets."""
    return _encoder.encode(message)


def json_schema() -> dict[str, Any]:
    """JSON Schema of all messages, for other languages."""
    return msgspec.json.schema(Message)
