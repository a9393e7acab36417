from dataclasses import replace

from contract.programs import Event, KnownDifference, Transcript, compare, unexplained
from contract.programs.names import Names
from contract.programs.shapes import numbers_of, shape_of
from contract.sampling import SampledSequence, SampleResponse
from contract.training import OptimStepResponse
from fake_server.known_differences import KNOWN_DIFFERENCES

EVENT = Event(
    "OptimStep()", "optim_step", "result", 200, shape={"metrics": ["grad_norm"]}, numbers=(1.0, 2.0)
)
NAMES = Names("base", "0.38.0")


def compared(one, other, **options):
    return compare(Transcript((one,)), Transcript((other,)), **options)


def test_texts_and_numbers_may_differ():
    assert compared(EVENT, replace(EVENT, text="other words", numbers=(9.0,))) == []


def test_numbers_are_compared_where_a_tolerance_is_given():
    near, far = replace(EVENT, numbers=(1.001, 2.0)), replace(EVENT, numbers=(1.0,))

    assert compared(EVENT, near, tolerance=0.01) == []
    assert [d.field for d in compared(EVENT, near, tolerance=0.0001)] == ["numbers"]
    assert [d.field for d in compared(EVENT, far, tolerance=0.01)] == ["numbers"]


def test_a_difference_tells_the_step_the_field_and_both_sides():
    (difference,) = compared(EVENT, replace(EVENT, fate="failure", category="user", text="no"))

    assert str(difference) == (
        "0 OptimStep(): fate\n"
        "  one:   OptimStep(): result {'metrics': ['grad_norm']}\n"
        "  other: OptimStep(): failure (user) no"
    )


def test_a_step_that_only_one_server_took_is_a_difference():
    (difference,) = compare(Transcript((EVENT, EVENT)), Transcript((EVENT,)))

    assert (difference.number, difference.field, difference.other) == (1, "length", None)
    assert "1 OptimStep(): length" in str(difference)
    assert "length" in str(replace(difference, one=None))


def test_a_known_difference_is_not_reported():
    found = compared(EVENT, replace(EVENT, status=404, fate="refused"))
    known = KnownDifference("steps", "one has none", lambda difference: difference.field == "fate")

    assert unexplained(found, {}) == found
    assert unexplained(found, {"steps": known}) == []


def test_metrics_of_ratios_are_a_known_difference_and_nothing_else_is():
    def a_pass(*metrics, outputs=1):
        outcome = {"metrics": list(metrics), "outputs": outputs}
        return replace(EVENT, shape={"promise": "another", "outcome": outcome})

    bare, rich = a_pass("loss:sum"), a_pass("kl:mean", "loss:sum")

    assert unexplained(compared(bare, rich), KNOWN_DIFFERENCES) == []
    assert unexplained(compared(bare, a_pass("loss:mean")), KNOWN_DIFFERENCES)
    assert unexplained(compared(bare, a_pass("kl:mean", "loss:sum", outputs=2)), KNOWN_DIFFERENCES)
    assert unexplained(compared(bare, replace(bare, status=500)), KNOWN_DIFFERENCES)


def test_a_transcript_reads_as_numbered_lines():
    assert str(Transcript((EVENT, replace(EVENT, status=404, fate="refused", shape=None)))) == (
        "  0 OptimStep(): result {'metrics': ['grad_norm']}\n  1 OptimStep(): refused 404"
    )


def test_things_of_others_are_left_out_of_lists():
    names = Names("base", "0.38.0")
    names.learn("model", names.add("model"), "mine")
    runs = [{"training_run_id": "mine", "lora_rank": 8}, {"training_run_id": "theirs", "lora_rank": 8}]

    assert shape_of(
        {"runs": runs, "ids": ["mine", "theirs"], "sizes": [1], "odd": [{"a": True}]}, names, {}
    ) == {
        "ids": ["model 0"],
        "odd": [{"a": "yes or no"}],
        "runs": [{"lora_rank": 8, "training_run_id": "model 0"}],
        "sizes": ["number"],
    }


def sampled(tokens, reason="length", stop=(), **fields):
    logprobs = [-1.0] * fields.pop("scored", len(tokens))
    sequence = SampledSequence(stop_reason=reason, tokens=tokens, logprobs=logprobs, **fields)
    asked = {"sampling_params": {"max_tokens": 2, **({} if stop is None else {"stop": list(stop)})}}
    return shape_of(SampleResponse(sequences=[sequence]), NAMES, asked)["sequences"][0]


def test_a_sequence_has_the_length_that_was_asked_for_unless_something_may_stop_it():
    assert sampled([1, 2])["tokens"] == "as asked"
    assert sampled([1], "stop")["tokens"] == "1, asked for 2"
    assert sampled([1], "stop", stop=(1,))["tokens"] == "as asked"
    assert sampled([1, 2, 3], stop=None)["tokens"] == "3, asked for 2"


def test_a_sequence_that_does_not_fit_itself_shows():
    assert sampled([1], "length", stop=None)["stop reason"] == "length, though shorter"
    assert sampled([1, 2], scored=1)["logprobs"] == "1 for 2 tokens"
    assert sampled([1, 2], topk_logprobs=[[(1, -1.0)], None])["topk"] == ["1 likeliest", "none"]


def test_numbers_come_in_the_order_of_the_answer():
    sequence = SampledSequence(stop_reason="length", tokens=[4], logprobs=[-0.5])

    assert numbers_of(SampleResponse(sequences=[sequence], prompt_logprobs=[None, -2.0])) == (4.0, -0.5, -2.0)
    assert numbers_of(OptimStepResponse(metrics=None)) == ()


def test_names_of_what_there_is_not_are_of_the_usual_form():
    assert NAMES.place_of(7) == {
        "training_run_id": "00000000-0000-4000-8000-000000000007:train:0",
        "segment": "weights",
        "name": "none",
    }
    assert NAMES.session_of(3) == 0


def test_what_a_sample_drew_by_chance_is_no_number_to_compare():
    response = SampleResponse(sequences=[SampledSequence(stop_reason="length", tokens=[4], logprobs=[-0.5])])

    assert numbers_of(response, {"sampling_params": {"temperature": 1.0}}) == ()
    assert numbers_of(response, {"sampling_params": {"temperature": 1.0, "seed": 3}}) == (4.0, -0.5)
    assert numbers_of(response, {"sampling_params": {"temperature": 0.0}}) == (4.0, -0.5)


def test_of_many_numbers_that_differ_the_first_are_shown():
    many = replace(EVENT, numbers=tuple(map(float, range(9))))
    (difference,) = compared(EVENT, many, tolerance=0.1)

    assert str(difference).endswith("one:   2 numbers: 1, 2\n  other: 9 numbers: 0, 1, 2, 3, 4, 5, 6, 7, …")
