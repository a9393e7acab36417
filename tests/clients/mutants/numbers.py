"""Clients that number their requests wrongly, or send them in another order than they were called."""

from tests.clients.mini import MiniClient
from tests.clients.mutants.mutant import Zoo

__all__ = ["NUMBER_MUTANTS"]

NUMBER_MUTANTS = Zoo()
mutant = NUMBER_MUTANTS.mutant


@mutant("one-number-twice", "A step has the number of the pass before it.", "SCN-01")
class OneNumberTwice(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        self.numbers["seq_id", model_id] -= 1
        return super().optim_step(model_id, learning_rate, **adam)


@mutant("skips-a-number", "Every save skips a number.", "SCN-01")
class SkipsANumber(MiniClient):
    def save_weights(self, model_id, name, **named):
        self.use_number("seq_id", model_id, self.next_number("seq_id", model_id))
        return super().save_weights(model_id, name, **named)


@mutant("counts-from-zero", "The first operation of a model is number 0.", "SCN-01")
class CountsFromZero(MiniClient):
    def next_number(self, kind, owner):
        return super().next_number(kind, owner) if (kind, owner) in self.numbers else 0


@mutant("one-count-for-all", "All models share one count of numbers.", "SCN-01")
class OneCountForAll(MiniClient):
    def next_number(self, kind, owner):
        return super().next_number(kind, "all" if kind == "seq_id" else owner)

    def use_number(self, kind, owner, number):
        super().use_number(kind, "all" if kind == "seq_id" else owner, number)


@mutant("samplers-share-a-number", "All samples of a sampler have number 0.", "SCN-01")
class SamplersShareANumber(MiniClient):
    def next_number(self, kind, owner):
        return 0 if kind == "sample" else super().next_number(kind, owner)


@mutant("passes-late", "A pass is sent when its result is asked for; the step has gone before.", "SCN-01")
class PassesLate(MiniClient):
    def run_pass(self, model_id, data, loss_fn, config, *, forward_only):
        return Late(
            lambda: super(PassesLate, self).run_pass(
                model_id, data, loss_fn, config, forward_only=forward_only
            )
        )


class Late:
    """A promise that is not asked for before its result is."""

    def __init__(self, send):
        self._send = send

    def result(self):
        return self._send().result()


@mutant("numbered-early", "A pass takes its number when it is called, and is sent behind the step.", "SCN-01")
class NumberedEarly(MiniClient):
    def run_pass(self, model_id, data, loss_fn, config, *, forward_only):
        number = self.next_number("seq_id", model_id)
        self.use_number("seq_id", model_id, number)

        def send():
            now = self.numbers["seq_id", model_id]
            self.numbers["seq_id", model_id] = number - 1
            pending = super(NumberedEarly, self).run_pass(
                model_id, data, loss_fn, config, forward_only=forward_only
            )
            self.numbers["seq_id", model_id] = now
            return pending

        return Late(send)


@mutant("two-steps", "Every step is made twice.", "SCN-01")
class TwoSteps(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        super().optim_step(model_id, learning_rate, **adam).result()
        return super().optim_step(model_id, learning_rate, **adam)


@mutant("one-model-for-all", "Steps go to the first model, whichever is meant.", "SCN-01")
class OneModelForAll(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        first = f"{model_id.rpartition(':')[0]}:0"
        return super().optim_step(first, learning_rate, **adam)
