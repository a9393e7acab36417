"""Clients that ask after promises wrongly: too soon, too often, not to the end, or after another one."""

from dataclasses import replace

from tests.clients.errors import Expired, Refused
from tests.clients.mini import MiniClient
from tests.clients.mutants.mutant import Zoo
from tests.clients.patience import Patience

__all__ = ["POLL_MUTANTS"]

POLL_MUTANTS = Zoo()
mutant = POLL_MUTANTS.mutant


@mutant("takes-not-yet", "try_again is taken for the result of a step.", "SCN-35 SCN-34")
class TakesNotYet(MiniClient):
    def is_early(self, reply):
        return reply.status == 408 and super().is_early(reply)

    def read(self, pending, reply):
        return {} if reply.fields.get("type") == "try_again" else super().read(pending, reply)


@mutant("polls-twice", "After two polls without a result it gives up.", "SCN-34 SCN-47")
class PollsTwice(MiniClient):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **{**named, "patience": Patience(polls=2)})


@mutant("impatient", "A poll is given up after 20 ms, and sent again.", "SCN-86 SCN-79")
class Impatient(MiniClient):
    def poll_of(self, pending, number, *, metadata):
        return replace(super().poll_of(pending, number, metadata=metadata), seconds=0.02)

    def face(self, ask, reply, errors):
        if reply is not None:
            super().face(ask, reply, errors)

    def pause(self, ask, reply, attempt):
        return 0.0 if reply is None else super().pause(ask, reply, attempt)


@mutant("gives-up-polls-at-503", "A poll that is answered by 503 is the end of its operation.", "SCN-36")
class GivesUpPollsAt503(MiniClient):
    def face(self, ask, reply, errors):
        if reply is not None and reply.status >= 500:
            raise self.refusal(ask, reply)
        super().face(ask, reply, errors)


@mutant("polls-at-429", "A poll that is answered by 429 is sent again at once.", "SCN-37")
class PollsAt429(MiniClient):
    def pause(self, ask, reply, attempt):
        return 0.0 if ask.operation == "retrieve_future" else super().pause(ask, reply, attempt)

    def face(self, ask, reply, errors):
        super().face(ask, reply, min(errors, self.patience.attempts - 1))


@mutant(
    "gives-up-lost-results",
    "A poll whose answer is lost is the end of its operation.",
    "SCN-38 SCN-40 SCN-42",
)
class GivesUpLostResults(MiniClient):
    def face(self, ask, reply, errors):
        if reply is None:
            raise Refused("retrieve_future: expected an answer, got none", 0)
        super().face(ask, reply, errors)


@mutant("resubmits-lost-results", "A step whose result was lost is made again.", "SCN-40 SCN-48")
class ResubmitsLostResults(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        pending = super().optim_step(model_id, learning_rate, **adam)

        def fetch(own):
            before, self.patience = self.patience, replace(self.patience, attempts=1)
            try:
                return self.outcome(own)
            except Exception:
                self.patience = before
                return super(ResubmitsLostResults, self).optim_step(model_id, learning_rate, **adam).result()
            finally:
                self.patience = before

        pending.fetch = fetch
        return pending


@mutant("resubmits-expired", "A step whose result is gone is made again.", "SCN-48")
class ResubmitsExpired(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        pending = super().optim_step(model_id, learning_rate, **adam)

        def fetch(own):
            try:
                return self.outcome(own)
            except Expired:
                return super(ResubmitsExpired, self).optim_step(model_id, learning_rate, **adam).result()

        pending.fetch = fetch
        return pending


@mutant("expired-is-done", "A result that is gone is taken for an empty one.", "SCN-48")
class ExpiredIsDone(MiniClient):
    def outcome(self, pending):
        try:
            return super().outcome(pending)
        except Expired:
            return {}


@mutant(
    "polls-the-unknown", "A poll that is answered by 404 or 410 is sent again and again.", "SCN-49 SCN-73"
)
class PollsTheUnknown(MiniClient):
    def face(self, ask, reply, errors):
        if reply is None or reply.status not in (404, 410) or errors > 20:
            super().face(ask, reply, errors)

    def pause(self, ask, reply, attempt):
        return min(super().pause(ask, reply, attempt), 0.05)


@mutant("polls-the-last", "It polls the promise before the one that it means.", "SCN-01")
class PollsTheLast(MiniClient):
    def poll_of(self, pending, number, *, metadata):
        before = getattr(self, "_before", pending)
        self._before = pending
        return super().poll_of(before, number, metadata=metadata)


@mutant("swaps-results", "Of two passes under way each has the other's result.", "SCN-01")
class SwapsResults(MiniClient):
    def outcome(self, pending):
        others = [p for p in self.pending if p.operation == pending.operation and p is not pending]
        if others:
            pending.request_id, others[0].request_id = others[0].request_id, pending.request_id
        return super().outcome(pending)


@mutant("steps-unread", "The results of steps are not fetched.", "SCN-01")
class StepsUnread(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        pending = super().optim_step(model_id, learning_rate, **adam)
        self.pending.remove(pending)
        pending.fetch = lambda _: {}
        return pending


@mutant("last-unread", "What is under way when the session ends is left alone.", "SCN-01")
class LastUnread(MiniClient):
    def drain(self, session_id):
        return None


@mutant("polls-once-and-goes", "The results of saves are asked for once, and not again.", "SCN-51")
class PollsOnceAndGoes(MiniClient):
    def drain(self, session_id):
        for pending in list(self.pending):
            self.attempt(replace(self.poll_of(pending, 0, metadata=True), seconds=1e-5), 0)
        self.pending.clear()


@mutant("size-is-the-result", "A result that is told by its size first is taken for one.", "SCN-51")
class SizeIsTheResult(MiniClient):
    def is_metadata(self, reply):
        return False


@mutant("asks-for-the-size", "It goes on to ask for the size of a result, and never for it.", "SCN-51")
class AsksForTheSize(MiniClient):
    def poll_of(self, pending, number, *, metadata):
        return super().poll_of(pending, number, metadata=True)


@mutant("fetches-thrice", "Each result is fetched three times.", "SCN-01")
class FetchesThrice(MiniClient):
    def outcome(self, pending):
        return [super(FetchesThrice, self).outcome(pending) for _ in range(3)][-1]
