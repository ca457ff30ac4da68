"""The screen of `suanshi top`, which reads the market through the client only."""

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
    """A table of the market that is redrawn twice a second."""

    TITLE = "suanshi top"
    BINDINGS: ClassVar = [Binding("q", "quit", "Quit 退出")]

    def __init__(self, client: Client, contract: str) -> None:
        super().__init__()
        self._client = client
        self._contract = contract

    def compose(self) -> ComposeResult:
        """Compose header, table and footer."""
        yield Header(show_clock=True)
        yield DataTable()
        yield Footer()

    def on_mount(self) -> None:
        """Draw the table now, and then twice a second."""
        self.query_one(DataTable).add_columns(*_COLUMNS)
        self.set_interval(_REFRESH_S, self.draw)
        self.draw()

    def draw(self) -> None:
        """Read the messages that have arrived, and draw the table."""
        self._client.pump()
        table = self.query_one(DataTable)
        table.clear()
        for row in rows(self._client.market, self._contract)[:_ROWS_MAX]:
            table.add_row(
                row.symbol, row.phase, row.bid_quantity or "", row.bid_price or "",
                row.ask_price or "", row.ask_quantity or "", row.last or "", row.volume or "",
            )  # fmt: skip
