"""State that the parts of a gateway share."""

from collections import Counter
from dataclasses import dataclass, field

from feeds.gateway.config import GatewayConfig
from feeds.gateway.gate_rules import GateRules
from feeds.gateway.peers import Session
from feeds.gateway.report_stream import ReportStream
from feeds.gateway.report_streams import ReportStreams


@dataclass(eq=False)
class GatewayState:
    """Configuration, sessions, rules, report streams and clock of a gateway."""

    config: GatewayConfig
    counters: Counter[str]
    rules: GateRules
    streams: ReportStreams
    sessions: dict[str, Session] = field(default_factory=dict)  # by the name of their key
    readers: dict[ReportStream, Session] = field(default_factory=dict)
    """The session to which each report stream is sent."""
    now_ns: int = 0  # the venue's time of the last batch
    sequence: int = 0  # of the last command
