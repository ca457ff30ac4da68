"""The screen of `suanshi top`; it knows the market only through the client."""

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import DataTable, Footer, Header

from exchange.screen.market_rows import rows
from feeds.client import Client

_COLUMNS = ("symbol", "phase", "lots", "bid", "ask", "lots ", "last", "volume")
_REFRESH_S = 0.5
_ROWS_MAX = 200


class Screen(App[None]):
    """A table that is drawn anew twice a second."""

    TITLE = "suanshi top"
    BINDINGS: ClassVar = [Binding("q", "quit", "Quit 退出")]

    def __init__(self, client: Client, contract: str) -> None:
        super().__init__()
        self._client = client
        self._contract = contract

    def compose(self) -> ComposeResult:
        """The table between its head and its foot."""
        yield Header(show_clock=True)
        yield DataTable()
        yield Footer()

    def on_mount(self) -> None:
        """Draw now, and then again and again."""
        self.query_one(DataTable).add_columns(*_COLUMNS)
        self.set_interval(_REFRESH_S, self.draw)
        self.draw()

    def draw(self) -> None:
        """Take in what came and show it."""
        self._client.pump()
        table = self.query_one(DataTable)
        table.clear()
        for row in rows(self._client.market, self._contract)[:_ROWS_MAX]:
            table.add_row(
                row.symbol, row.phase, row.bid_quantity or "", row.bid_price or "",
                row.ask_price or "", row.ask_quantity or "", row.last or "", row.volume or "",
            )  # fmt: skip
