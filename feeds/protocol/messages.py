"""The session messages: what is said between broker and venue besides orders and reports.

Each is a msgpack map with its name under `type`. None is numbered, resent or stored. An unknown
key is ignored, so that a later version may add some; a missing or wrong one is refused.
"""

from enum import IntEnum
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from feeds.protocol.delivery_messages import MeterAnswers, MeterReadings, Notices, NoticesRequest
from feeds.protocol.records import FRAME_HEAD, PROTOCOL_VERSION, FrameKind
from matching.records import BASKET_MEMBERS_MAX

NonNegative = Annotated[int, Meta(ge=0, le=2**53)]
Positive = Annotated[int, Meta(ge=1, le=2**53)]
Text = Annotated[str, Meta(max_length=200)]


class RefusalReason(IntEnum):
    """Why the venue did not take a frame, or ended a session; it uses up no user_ref."""

    NONE = 0
    MALFORMED_FRAME = 1  # head, size, number of parts, count, or kinds mixed in one frame
    NOT_LOGGED_ON = 2
    NOT_ENTITLED = 3  # the key may not do this: its role, an account, a kind of command
    STALE = 4  # its valid-until has passed
    RATE = 5  # more commands than the session may send
    REF_NOT_NEW = 6  # at or below the last user_ref, and no answer to it was ever given
    REF_WINDOW = 7  # too far above the last user_ref, or beyond the machine's bound
    BLOCKED = 8  # an operator has stopped this session
    VERSION = 9  # a protocol version that the venue does not speak
    BAD_MESSAGE = 10  # not msgpack, or not a message that may be sent here
    NEXT_REPORT = 11  # asks for reports that do not exist yet
    UNKNOWN_ORDER = 12  # no report of this session names such an order
    REPLACED = 13  # the same key logged on from elsewhere
    SLOW = 14  # the broker does not read; log on again and ask for what is missing
    DAY_OVER = 15
    REQUESTED = 16  # the broker's own logout
    UNKNOWN = 17  # an operator asked for something that there is not
    BUSTED_ALREADY = 18  # the trade was taken back before
    REJECTED = 19  # the machine said no to an operator's request; `text` has its reason
    SILENT = 20  # nothing came for too long from a session that asked for cancel_on_disconnect
    REVOKED = 21  # the key was taken back, or has become another one


class Logon(Struct, tag="logon", frozen=True, kw_only=True):
    """The first message of a connection."""

    version: int = PROTOCOL_VERSION
    next_report: NonNegative = 0  # the first report that is wanted; 0: only new ones
    cancel_on_disconnect: bool = False
    client: Text = ""  # what the broker runs, in words


class LogonAck(Struct, tag="logon_ack", frozen=True, kw_only=True):
    """The session is open."""

    version: int
    venue: str
    trading_day: str
    session: int
    name: str
    role: str
    next_report: int  # the number that the next new report will have
    last_ref: int  # the greatest user_ref that the venue took from this session
    ref_max: int
    orders_per_s: int
    frame_records_max: int
    heartbeat_ms: int  # without anything else to say, the venue says this often that it is there
    silence_ms_max: int  # a session of which nothing comes for so long is ended; 0: it is not
    time_ns: int  # the venue's clock


class Logout(Struct, tag="logout", frozen=True, kw_only=True):
    """The session ends; whoever gets this may log on again."""

    reason: RefusalReason = RefusalReason.REQUESTED
    text: Text = ""


class ResendRequest(Struct, tag="resend", frozen=True, kw_only=True):
    """Asks for all reports from a number on; they come again, marked, and then the new ones."""

    from_report: Positive


class OrderStatusRequest(Struct, tag="order_status", frozen=True, kw_only=True):
    """Asks for the last report of an order (FIX OrderStatusRequest)."""

    user_ref: Positive


class Refusal(Struct, tag="refusal", frozen=True, kw_only=True):
    """A frame was not taken, none of its records."""

    reason: RefusalReason
    text: str
    user_ref: int = 0  # of the first record refused, where there is one
    index: int = 0  # its place in the frame, from 0
    count: int = 0  # records refused


class ListInstrument(Struct, tag="list_instrument", frozen=True, kw_only=True):
    """An operator lists an instrument of a contract: its symbol says which and when."""

    symbol: Text


class ListBasket(Struct, tag="list_basket", frozen=True, kw_only=True):
    """An operator lists a basket of like contracts; of equal prices the first one's is taken."""

    code: Text
    contracts: Annotated[list[Text], Meta(min_length=1, max_length=BASKET_MEMBERS_MAX)]


class BustTrade(Struct, tag="bust_trade", frozen=True, kw_only=True):
    """An operator takes a trade of the day back, for both of its sides."""

    instrument: Positive
    trade_id: Positive


class TradeBusted(Struct, tag="bust_trade_ack", frozen=True, kw_only=True):
    """A trade was taken back: what it was, and the fees given back with it."""

    sequence: int  # of the command in the day log
    trade_id: int
    instrument: int
    price: int
    quantity: int
    buyer: int  # accounts
    seller: int
    buyer_fee_fen: int
    seller_fee_fen: int


class FirmAccountsRequest(Struct, tag="firm_accounts", frozen=True, kw_only=True):
    """An operator asks which accounts a firm's sessions may trade for."""

    firm: Positive


class FirmAccounts(Struct, tag="firm_accounts_ack", frozen=True, kw_only=True):
    """The accounts of a firm, by the venue's members."""

    firm: int
    accounts: list[int]


class KillSwitch(Struct, tag="kill_switch", frozen=True, kw_only=True):
    """An operator stops a session (or lets it go on); stopping cancels its orders."""

    session: Text
    stopped: bool = True


class KeysRequest(Struct, tag="keys", frozen=True, kw_only=True):
    """An operator has the venue look at its folder of keys again."""


class KeysKnown(Struct, tag="keys_ack", frozen=True, kw_only=True):
    """What was found there that is not as before, by names."""

    added: list[str]
    changed: list[str]  # another key (whose session has ended), or other rights
    revoked: list[str]
    waiting: list[str]  # drop copies of firms that had none: known after the next start


class VenueStatusRequest(Struct, tag="venue_status", frozen=True, kw_only=True):
    """An operator asks how the venue does."""


class VenueStatus(Struct, tag="venue_status_ack", frozen=True, kw_only=True):
    """How the venue does: what it took, and how often it refused what."""

    sequence: int
    sessions: list[str]  # logged on
    counters: dict[str, int]


class Done(Struct, tag="done", frozen=True, kw_only=True):
    """An operator's request was carried out."""

    instrument: int = 0  # listed
    basket: int = 0  # listed
    sequence: int = 0  # in the day log, of the last command that it became; 0: it became none yet


class Definition(Struct, tag="definition", frozen=True, kw_only=True):
    """An instrument in words and bounds; on the channel of definitions and in its images."""

    instrument: int
    symbol: str
    contract: str
    tick_fen: int
    band_low: int
    band_high: int
    delivery_start_s: int
    delivery_end_s: int
    gate_s: int
    baskets: dict[str, int] = {}  # numbers of the baskets that its contract is in, by their codes


class ImageRequest(Struct, tag="image_request", frozen=True, kw_only=True):
    """Asks a recovery socket for the image of a channel, or for trades from a frame's number on."""

    channel: Annotated[str, Meta(min_length=1, max_length=1)]
    instrument: NonNegative  # 0 on the channel of definitions: all
    from_sequence: NonNegative = 0


ToVenue: TypeAlias = (
    Logon
    | Logout
    | ResendRequest
    | OrderStatusRequest
    | ListInstrument
    | ListBasket
    | BustTrade
    | FirmAccountsRequest
    | KillSwitch
    | KeysRequest
    | VenueStatusRequest
    | NoticesRequest
    | MeterReadings
)
Reply: TypeAlias = (
    Done | TradeBusted | FirmAccounts | KeysKnown | VenueStatus | Notices | MeterAnswers
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
    | FirmAccountsRequest
    | FirmAccounts
    | KillSwitch
    | KeysRequest
    | KeysKnown
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
    """A MESSAGE frame; `sequence` is the number that the venue's next report will have."""
    head = FRAME_HEAD.pack(FrameKind.MESSAGE, 0, 0, 0, sequence)
    return head + _encoder.encode(message)


def encode(message: Message) -> bytes:
    """A message alone, as market data and recovery carry it."""
    return _encoder.encode(message)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of every message, for other languages."""
    return msgspec.json.schema(Message)
