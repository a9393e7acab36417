"""`expect_refusal`: a request is refused as its user's fault, in words that say what is at fault."""

from contract.errors import RequestErrorCategory
from contract.laws.driver import Reply
from contract.laws.expect import expect, expect_equal
from contract.laws.model import promised
from contract.laws.refusal import refusal_of
from contract.laws.subject import Subject

__all__ = ["expect_refusal"]


def expect_refusal(s: Subject, reply: Reply, *names: str, what: str) -> None:
    """The request is refused by a status of 4xx, or by a future that fails with category user.

    Args:
        s: The server.
        reply: The answer to the submission.
        names: What is at fault: the text must have one of them, in whatever case; none asks for no word.
        what: What was asked for.

    Raises:
        Broken: if it is taken, is called the server's fault, or the text has none of the names.
    """
    if reply.status != 200:
        text = refusal_of(s, reply, what)
    else:
        failure = s.failure(promised(reply, what))
        expect_equal(failure.category, RequestErrorCategory.User, f"{what}: the failure's category")
        text = failure.error
    found = not names or any(name.lower() in text.lower() for name in names)
    expect(found, f"{what}: expected a refusal that names {' or '.join(names)}, got {text[:200]!r}")
