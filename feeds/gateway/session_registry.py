"""Which sessions there are, and what each key entitles to; keys may come and go meanwhile."""

from feeds.gateway.config import GatewayConfig
from feeds.gateway.connections import Session
from feeds.gateway.order_gate import OPERATOR, READ_ONLY, TRADING, Rules
from feeds.gateway.order_gate import cost_ns as cost_of
from feeds.gateway.report_streams import ReportStreams
from feeds.gateway.sessions import Sessions
from feeds.protocol.keys import Entitlement
from feeds.protocol.messages import KeysKnown, RefusalReason

_ROLES = {"trading": TRADING, "operator": OPERATOR}


class SessionRegistry:
    """All sessions that have a key, by name."""

    def __init__(self, config: GatewayConfig, streams: ReportStreams, rules: Rules) -> None:
        self._streams = streams
        self._rules = rules
        self._entitlements = config.entitlements
        self.sessions = {
            name: self._session(config.entitlements[name], number)
            for name, number in config.sessions.items()
            if name in config.entitlements
        }
        for number in config.firms:  # with a key or without, so that no start numbers otherwise
            streams.open_session(number)

    def reload_keys(
        self,
        entitlements: dict[str, Entitlement],
        numbers: dict[str, int],
        firms: dict[int, int],
        sessions: Sessions,
    ) -> KeysKnown:
        """Go on with other keys; sessions of those that went end, and their orders are cancelled.

        `numbers` (of session names) and `firms` are those of all sessions, as in a GatewayConfig.
        """
        known = KeysKnown(added=[], changed=[], revoked=[], waiting=[])
        before, self._entitlements = self._entitlements, entitlements
        for name in sorted(before.keys() - entitlements.keys()):
            known.revoked.append(name)
            if name in self.sessions:
                session = self.sessions.pop(name)
                session.stream.read_by(None)
                sessions.revoke(session)
        for name, entitlement in sorted(entitlements.items()):
            if name in before and before[name] == entitlement:
                continue
            number = numbers.get(name, 0)
            if name in self.sessions:
                self._change(self.sessions[name], entitlement, sessions)
            elif entitlement.role == "drop-copy" and not self._streams.has_firm(entitlement.firm):
                known.waiting.append(name)
                continue
            elif number:
                self._streams.join(number, firms[number])
                self.sessions[name] = self._session(entitlement, number)
            (known.changed if name in before else known.added).append(name)
        return known

    def _change(self, session: Session, entitlement: Entitlement, sessions: Sessions) -> None:
        """A session has other rights, or another key: then whoever has the old one is out."""
        if session.entitlement.key != entitlement.key:
            text = "the key has become another one"
            sessions.end(session, RefusalReason.REVOKED, text)
        session.entitlement = entitlement
        self._entitle(session.number, entitlement)

    def _session(self, entitlement: Entitlement, number: int) -> Session:
        own = self._streams.open_session(number)
        if entitlement.role == "drop-copy":
            own = self._streams.open_firm(entitlement.firm) or own
        self._entitle(number, entitlement)
        session = Session(number, entitlement, own)
        own.read_by(session)
        return session

    def _entitle(self, number: int, entitlement: Entitlement) -> None:
        """Let a session do what its key entitles it to."""
        rule = self._rules.sessions[number]
        rule["cost_ns"] = cost_of(entitlement.orders_per_s)
        rule["burst_ns"] = rule["cost_ns"] * entitlement.burst
        rule["role"] = _ROLES.get(entitlement.role, READ_ONLY)
        rule["row"] = number if entitlement.accounts else 0
        allowed = self._rules.accounts[number]
        allowed[:] = 0
        allowed[[each for each in entitlement.accounts if each < len(allowed)]] = 1
