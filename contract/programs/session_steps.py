"""Steps of sessions."""

from typing import TYPE_CHECKING, Literal

from contract.programs.step import Ask, Makes, Step

if TYPE_CHECKING:
    from contract.programs.names import Names

__all__ = ["CreateSession", "FinishSession", "GetSession", "Heartbeat", "ListSessions"]


class SessionStep(Step):
    """A step that names a session."""

    session: int = 0
    """The session's number."""


class CreateSession(Step):
    """Open a session."""

    op: Literal["create_session"] = "create_session"

    @property
    def makes(self) -> Makes:
        """A session."""
        return "session"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        told = {"sdk_version": names.sdk_version}
        return Ask("create_session", {"tags": [], "user_metadata": None, **told})


class Heartbeat(SessionStep):
    """Say that the client is there."""

    op: Literal["heartbeat"] = "heartbeat"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("session_heartbeat", {"session_id": names.session(self.session)})


class FinishSession(SessionStep):
    """Say that a session is over."""

    op: Literal["finish_session"] = "finish_session"
    reason: Literal["success", "errored", "interrupted"] = "success"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        session = names.session(self.session)
        return Ask("finish_session", {"session_id": session, "reason": {"type": self.reason}})


class GetSession(SessionStep):
    """Ask what belongs to a session."""

    op: Literal["get_session"] = "get_session"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("get_session", {"session_id": names.session(self.session)})


class ListSessions(Step):
    """A page of sessions."""

    op: Literal["list_sessions"] = "list_sessions"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("list_sessions", {"limit": names.page})
