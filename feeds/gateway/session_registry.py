"""The sessions of a gateway and the rights of their keys; keys may change during the day."""

from feeds.gateway.peers import Session
from feeds.gateway.sessions import LogoutReason, Sessions
from feeds.gateway.state import GatewayState
from feeds.protocol.keys import Entitlement
from feeds.protocol.messages import KeysKnown, RefusalReason


class SessionRegistry:
    """Keeps the sessions of a GatewayState: one for every key that has a session."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._entitlements = state.config.entitlements
        for name, number in state.config.sessions.items():
            if name in self._entitlements:
                self._add(self._entitlements[name], number)
        for number in state.config.firms:  # also without a key, so that every start numbers alike
            state.streams.open_session(number)

    @property
    def sessions(self) -> dict[str, Session]:
        """All sessions, by the name of their key."""
        return self._state.sessions

    def reload_keys(
        self,
        entitlements: dict[str, Entitlement],
        numbers: dict[str, int],
        firms: dict[int, int],
        sessions: Sessions,
    ) -> KeysKnown:
        """Use other keys from now on. Ends sessions whose key is gone, and cancels their orders.

        `numbers` and `firms` are those of all sessions, as in a GatewayConfig.
        """
        known = KeysKnown(added=[], changed=[], revoked=[], waiting=[])
        before, self._entitlements = self._entitlements, entitlements
        for name in sorted(before.keys() - entitlements.keys()):
            known.revoked.append(name)
            if name in self.sessions:
                self._remove(name, sessions)
        for name, entitlement in sorted(entitlements.items()):
            if name in before and before[name] == entitlement:
                continue
            streams, number = self._state.streams, numbers.get(name, 0)
            if name in self.sessions:
                self._change(self.sessions[name], entitlement, sessions)
            elif entitlement.role == "drop-copy" and not streams.has_firm(entitlement.firm):
                known.waiting.append(name)
                continue
            elif number:
                streams.add_session(number, firms[number])
                self._add(entitlement, number)
            (known.changed if name in before else known.added).append(name)
        return known

    def _add(self, entitlement: Entitlement, number: int) -> None:
        state = self._state
        stream = state.streams.open_session(number)
        if entitlement.role == "drop-copy":
            stream = state.streams.open_firm(entitlement.firm) or stream
        state.rules.entitle(number, entitlement)
        session = Session(number, entitlement, stream)
        state.readers[stream] = session
        stream.set_read(is_read=True)
        state.sessions[entitlement.name] = session

    def _change(self, session: Session, entitlement: Entitlement, sessions: Sessions) -> None:
        """Give a session other rights or another key; with another key it must log on again."""
        if session.entitlement.key != entitlement.key:
            text = "the key has become another one"
            sessions.end(session, LogoutReason(RefusalReason.REVOKED, text))
        session.entitlement = entitlement
        self._state.rules.entitle(session.number, entitlement)

    def _remove(self, name: str, sessions: Sessions) -> None:
        session = self._state.sessions.pop(name)
        self._state.readers.pop(session.stream, None)
        session.stream.set_read(is_read=False)
        sessions.revoke(session)
