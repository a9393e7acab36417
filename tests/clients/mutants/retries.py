"""Clients that try again wrongly: what, how often, how soon, and under which number."""

from dataclasses import replace

from pydantic_core import from_json, to_json

from contract.codec import JSON, PROTOBUF, decode, encode
from contract.training import ForwardBackwardRequest
from tests.clients.errors import Refused
from tests.clients.mini import MiniClient
from tests.clients.mutants.mutant import Zoo
from tests.clients.patience import Patience
from tests.clients.poller import Pending
from tests.clients.transport import HttpTransport

__all__ = ["RETRY_MUTANTS"]

RETRY_MUTANTS = Zoo()
mutant = RETRY_MUTANTS.mutant


def renumbered(client, ask):
    """The same request under the next number of its model."""
    if ask.media_type == PROTOBUF:
        request = decode(ForwardBackwardRequest, ask.body, PROTOBUF)
        number = client.next_number("seq_id", request.model_id)
        client.use_number("seq_id", request.model_id, number)
        body = encode(request.model_copy(update={"seq_id": number}), PROTOBUF)
        return replace(ask, body=body, key=client.new_key())
    fields = from_json(ask.body or b"{}")
    if ask.media_type != JSON or "model_id" not in fields or "seq_id" not in fields:
        return ask
    number = client.next_number("seq_id", fields["model_id"])
    client.use_number("seq_id", fields["model_id"], number)
    return replace(ask, body=to_json({**fields, "seq_id": number}), key=client.new_key())


@mutant(
    "new-number-on-retry", "What is sent again gets another seq_id.", "SCN-28 SCN-18 SCN-20 SCN-62 SCN-64"
)
class NewNumberOnRetry(MiniClient):
    def again(self, ask):
        return renumbered(self, ask)


@mutant("second-step", "A step whose answer was lost is made again, as a new one.", "SCN-28 SCN-29")
class SecondStep(MiniClient):
    def again(self, ask):
        return renumbered(self, ask) if ask.operation == "optim_step" else ask


@mutant(
    "no-number", "Operations have neither number nor key, and wait for each other.", "SCN-30 SCN-21 SCN-28"
)
class NoNumber(MiniClient):
    def promise(self, ask, owner, reading, **named):
        if named["kind"] != "seq_id":
            return super().promise(ask, owner, reading, **named)
        if ask.media_type == PROTOBUF:
            request = decode(ForwardBackwardRequest, ask.body, PROTOBUF)
            body = encode(request.model_copy(update={"seq_id": None}), PROTOBUF)
        else:
            body = to_json({name: value for name, value in from_json(ask.body).items() if name != "seq_id"})
        pending = super().promise(replace(ask, body=body, key=""), owner, reading, **named)
        pending.result()
        return pending


@mutant("another-model-on-retry", "A model that is asked for again is another one.", "SCN-07 SCN-67")
class AnotherModelOnRetry(MiniClient):
    def again(self, ask):
        if ask.operation not in ("create_model", "load_weights"):
            return ask
        fields = from_json(ask.body)
        return replace(ask, body=to_json({**fields, "model_seq_id": fields["model_seq_id"] + 1}))

    def promise(self, ask, owner, reading, **named):
        if named["kind"] == "model_seq_id":
            return super().promise(ask, owner, lambda _: lambda reply: reply.fields["model_id"], **named)
        return super().promise(ask, owner, reading, **named)


@mutant("changed-on-retry", "A step that is sent again has another learning rate.", "SCN-28 SCN-26")
class ChangedOnRetry(MiniClient):
    def again(self, ask):
        if ask.operation != "optim_step":
            return ask
        fields = from_json(ask.body)
        params = {**fields["adam_params"], "learning_rate": fields["adam_params"]["learning_rate"] / 2}
        return replace(ask, body=to_json({**fields, "adam_params": params}))


@mutant("retries-refusals", "What is refused by 4xx is sent again.", "SCN-08 SCN-10 SCN-23 SCN-74")
class RetriesRefusals(MiniClient):
    def passes(self, reply):
        return reply is None or reply.status >= 400


@mutant(
    "gives-up-at-503",
    "5xx is final.",
    "SCN-26 SCN-02 SCN-04 SCN-13 SCN-16 SCN-61 SCN-66 SCN-71 SCN-76 SCN-87",
)
class GivesUpAt503(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status < 500) and super().passes(reply)


@mutant("gives-up-at-429", "429 is final.", "SCN-06 SCN-15 SCN-69")
class GivesUpAt429(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status != 429) and super().passes(reply)


@mutant("gives-up-at-409", "409 is final.", "SCN-65 SCN-14")
class GivesUpAt409(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status != 409) and super().passes(reply)


@mutant("gives-up-at-408", "A submission that is answered by 408 is over.", "SCN-27")
class GivesUpAt408(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status != 408) and super().passes(reply)


@mutant(
    "gives-up-without-answer",
    "A request whose connection breaks is over.",
    "SCN-28 SCN-05 SCN-17 SCN-19 SCN-31 SCN-72 SCN-80",
)
class GivesUpWithoutAnswer(MiniClient):
    def answer(self, ask):
        own, self.patience = self.patience, replace(self.patience, attempts=1)
        try:
            return super().answer(ask)
        finally:
            self.patience = own


@mutant("deaf-to-retry-after", "Retry-After is not read: it waits as it always does.", "SCN-06 SCN-70")
class DeafToRetryAfter(MiniClient):
    def pause(self, ask, reply, attempt):
        return 0.01 * 2**attempt


@mutant("storm", "It tries again at once, fifty times.", "SCN-26 SCN-69")
class Storm(MiniClient):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **{**named, "patience": Patience(attempts=50)})

    def pause(self, ask, reply, attempt):
        return 0.0


@mutant("tries-for-ever", "Nothing that it is answered ends its attempts.", "SCN-08")
class TriesForEver(MiniClient):
    def __init__(self, *arguments, **named):
        patience = Patience(attempts=1000, first_seconds=0.05, most_seconds=0.05)  # longer than anybody looks
        super().__init__(*arguments, **{**named, "patience": patience})

    def passes(self, reply):
        return True


@mutant(
    "hasty", "An answer that takes longer than a second and a half is the end of its operation.", "SCN-22"
)
class Hasty(MiniClient):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **{**named, "patience": Patience(attempts=1)})

    def ask_of(self, operation, fields, **changed):
        seconds = {} if operation == "retrieve_future" else {"seconds": 1.5}
        return super().ask_of(operation, fields, **{**changed, **seconds})


@mutant("unpaid-step-left-out", "A step that is answered by 402 is taken for made.", "SCN-33")
class UnpaidStepLeftOut(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status != 402) and super().passes(reply)

    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        try:
            return super().optim_step(model_id, learning_rate, **adam)
        except Refused:
            done = Pending(lambda _: {}, "optim_step", model_id, "", None)
            self.numbers["seq_id", model_id] -= 1
            return done


@mutant(
    "old-connections", "It sends into connections that were closed, and takes that for the end.", "SCN-43"
)
class OldConnections(GivesUpWithoutAnswer):
    def __init__(self, url, *arguments, **named):
        super().__init__(url, *arguments, **{**named, "transport": OldTransport(url)})


class OldTransport(HttpTransport):
    """Does not look whether its connection is there."""

    def is_over(self, sock):
        return False
