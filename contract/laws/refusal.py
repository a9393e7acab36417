"""`refusal_of`: what a server says to a request that it must not take, for good."""

from contract.laws.driver import Reply
from contract.laws.expect import REPEATED
from contract.laws.law import Broken
from contract.laws.model import promised
from contract.laws.subject import Subject

__all__ = ["refusal_of"]


def refusal_of(subject: Subject, reply: Reply, what: str) -> str:
    """The text of a refusal: of the answer, or of the future that fails.

    Raises:
        Broken: if the request is taken, breaks the server, or is refused by a status that clients repeat.
    """
    if reply.status == 200:
        if not isinstance(reply.json, dict) or "request_id" not in reply.json:
            raise Broken(f"{what}: expected a refusal, got 200 {reply.body[:300]!r}")
        return subject.failure(promised(reply, what)).error
    if not 400 <= reply.status < 500 or reply.status in REPEATED:
        raise Broken(
            f"{what}: expected a refusal that clients do not repeat, got {reply.status} {reply.body[:300]!r}"
        )
    if not reply.body:
        raise Broken(f"{what}: expected a body that says why, got status {reply.status} and none")
    return reply.body.decode("utf-8", "replace")
