"""The broker's client: orders, reports and market data, synchronous and asynchronous."""

from feeds.client.async_client import AsyncClient, AsyncOrders, connect_async
from feeds.client.block_book import BlockBook, CombinedBlockBook, OpenBlock
from feeds.client.connection_file import Connection, read_connection
from feeds.client.level_book import Level, LevelBook
from feeds.client.market_view import MarketView
from feeds.client.order_book import OpenOrder, OrderBook
from feeds.client.sync_client import Client, Orders, connect
from feeds.client.trade_tape import Trade
from feeds.protocol.delivery_messages import (
    MeterAnswer,
    MeterReading,
    MeterReason,
    NoticeLine,
)
from feeds.protocol.errors import (
    FrameRefused,
    LogonRefused,
    NotAllowed,
    NotConnected,
    OrderRejected,
    TimedOut,
    WireError,
)
from feeds.protocol.execution_reports import Report
from feeds.protocol.keys import BadKey, Secret
from feeds.protocol.messages import Definition, RefusalReason
from feeds.protocol.records import Channel
from matching.records import EventKind, Phase, Reason, SelfTradePrevention, Side, TimeInForce

__all__ = [
    "AsyncClient",
    "AsyncOrders",
    "BadKey",
    "BlockBook",
    "Channel",
    "Client",
    "CombinedBlockBook",
    "Connection",
    "Definition",
    "EventKind",
    "FrameRefused",
    "Level",
    "LevelBook",
    "LogonRefused",
    "MarketView",
    "MeterAnswer",
    "MeterReading",
    "MeterReason",
    "NotAllowed",
    "NotConnected",
    "NoticeLine",
    "OpenBlock",
    "OpenOrder",
    "OrderBook",
    "OrderRejected",
    "Orders",
    "Phase",
    "Reason",
    "RefusalReason",
    "Report",
    "Secret",
    "SelfTradePrevention",
    "Side",
    "TimeInForce",
    "TimedOut",
    "Trade",
    "WireError",
    "connect",
    "connect_async",
    "read_connection",
]
