"""Clients that try again wrongly: what, how often, how soon, and under which number."""

from dataclasses import replace

from pydantic_core import from_json, to_json

from contract.codec import JSON, PROTOBUF, decode, encode
from contract.training import ForwardBackwardRequest
from tests.clients.mini import MiniClient
from tests.clients.mutants.mutant import Zoo
from tests.clients.patience import Patience

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


@mutant("new-number-on-retry", "What is sent again gets another seq_id.", "SCN-28 SCN-20")
class NewNumberOnRetry(MiniClient):
    def again(self, ask):
        return renumbered(self, ask)


@mutant("second-step", "A step whose answer was lost is made again, as a new one.", "SCN-28 SCN-29")
class SecondStep(MiniClient):
    def again(self, ask):
        return renumbered(self, ask) if ask.operation == "optim_step" else ask


@mutant("no-number", "Steps have no seq_id, and another key each time.", "SCN-28 SCN-29")
class NoNumber(MiniClient):
    def ask_of(self, operation, fields, **changed):
        if operation == "optim_step":
            fields = {name: value for name, value in fields.items() if name != "seq_id"}
        return super().ask_of(operation, fields, **changed)

    def promise(self, ask, owner, reading, *, kind, number, protobuf=False):
        before = self.numbers.get((kind, owner), 0)
        pending = super().promise(ask, owner, reading, kind=kind, number=number, protobuf=protobuf)
        if ask.operation == "optim_step":
            self.numbers[kind, owner] = before  # its number was not used
        return pending

    def again(self, ask):
        return replace(ask, key=self.new_key()) if ask.operation == "optim_step" else ask


@mutant("another-model-on-retry", "A model whose answer was lost is asked for again, as another.", "SCN-07")
class AnotherModelOnRetry(MiniClient):
    def again(self, ask):
        if ask.operation != "create_model":
            return ask
        fields = from_json(ask.body)
        return replace(ask, body=to_json({**fields, "model_seq_id": fields["model_seq_id"] + 1}))

    def create_model(self, session_id, base_model, rank=8, seed=None):
        pending = super().create_model(session_id, base_model, rank, seed)
        pending.reading = lambda reply: reply.fields["model_id"]
        return pending


@mutant("changed-on-retry", "A step that is sent again has another learning rate.", "SCN-28 SCN-26")
class ChangedOnRetry(MiniClient):
    def again(self, ask):
        if ask.operation != "optim_step":
            return ask
        fields = from_json(ask.body)
        params = {**fields["adam_params"], "learning_rate": fields["adam_params"]["learning_rate"] / 2}
        return replace(ask, body=to_json({**fields, "adam_params": params}))


@mutant("retries-refusals", "What is refused by 4xx is sent again.", "SCN-08 SCN-10")
class RetriesRefusals(MiniClient):
    def passes(self, reply):
        return reply is None or reply.status >= 400


@mutant("gives-up-at-503", "5xx is final.", "SCN-26 SCN-02")
class GivesUpAt503(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status < 500) and super().passes(reply)


@mutant("gives-up-at-429", "429 is final.", "SCN-06 SCN-69")
class GivesUpAt429(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status != 429) and super().passes(reply)


@mutant("gives-up-at-409", "409 is final.", "SCN-65")
class GivesUpAt409(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status != 409) and super().passes(reply)


@mutant("gives-up-at-408", "A submission that is answered by 408 is over.", "SCN-27")
class GivesUpAt408(MiniClient):
    def passes(self, reply):
        return (reply is None or reply.status != 408) and super().passes(reply)


@mutant("gives-up-without-answer", "A request whose connection breaks is over.", "SCN-28 SCN-31")
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
