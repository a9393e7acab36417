import pytest

from contract.sampling import SampleRequest, SampleResponse, SamplingParams


@pytest.mark.parametrize("stop", [None, [], "\n", ["a", "b"], [1, 2]])
def test_every_form_of_a_stop_stays_what_it_is(stop):
    params = SamplingParams(stop=stop)
    assert SamplingParams.model_validate_json(params.model_dump_json()).stop == stop


def test_seeds_and_numbers_take_64_bits():
    body = {"prompt": {"chunks": []}, "sampling_params": {"seed": 2**64 - 1}, "seq_id": 5 * 10**9}
    request = SampleRequest.model_validate(body)
    assert (request.sampling_params.seed, request.seq_id) == (2**64 - 1, 5 * 10**9)


def test_a_position_without_a_logprob_is_null():
    scores = {"prompt_logprobs": [None, -1.0], "topk_prompt_logprobs": [None, [[3, -0.5]]]}
    response = SampleResponse.model_validate({"sequences": [], **scores})
    assert response.topk_prompt_logprobs == [None, [(3, -0.5)]]
    assert response.model_dump(mode="json", include={*scores}) == scores
