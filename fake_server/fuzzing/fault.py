"""`Fault`: what a server does that it should not, as a check says it."""

from contract.laws.law import Broken

__all__ = ["OPENAPI", "Fault"]

OPENAPI = "OpenAPI"
"""In the place of a law's id, where the document itself is broken."""


class Fault(Broken):
    """A law does not hold for one request."""

    def __init__(self, operation: str, law: str, text: str) -> None:
        super().__init__(text)
        self.operation = operation
        """The operation that was answered wrongly; it need not be the one that was tried."""
        self.law = law
        """The law's id, or `OPENAPI`."""
        self.text = text
