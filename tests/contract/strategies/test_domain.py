"""Datums, prompts, parameters, paths and lists that the contract's own checks take."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import (
    LOSSES,
    BaseModelInfo,
    ModelInput,
    ParsedCheckpointTinkerPath,
    SampleRequest,
    check_data,
    check_sampling,
    loss_settings,
)
from contract.ids import SEGMENT_OF_TYPE
from contract.strategies import (
    adam_params,
    batches,
    checkpoint_lists,
    datums,
    prompts,
    sampling_params,
    tinker_paths,
)
from tests.draws import draws

FEW = settings(max_examples=draws(10, 100), deadline=None, database=None)
MODEL = BaseModelInfo("any", 256, 64, arch="any", tokenizer_id="any", end_of_text_ids=(0,))
KINDS = ("encoded_text", "image", "image_asset_pointer", "dmel")


@pytest.mark.parametrize("loss_fn", LOSSES)
def test_a_batch_fits_its_loss(loss_fn):
    @FEW
    @given(batches(loss_fn, loss_id="loss-1" if loss_fn == "custom" else None))
    def fits(batch):
        check_data(loss_fn, batch.data)
        loss_settings(loss_fn, batch.loss_fn_config)

    fits()


@FEW
@given(datums(vocab_size=5, most_tokens=2))
def test_a_datum_keeps_to_its_vocabulary_and_length(datum):
    assert max(datum.model_input.to_ints()) < 5
    assert 1 <= datum.model_input.length <= 2


@FEW
@given(prompts(kinds=KINDS))
def test_a_prompt_of_any_chunks_knows_its_length(prompt):
    assert isinstance(prompt, ModelInput)
    assert prompt.length >= 1


@FEW
@given(prompts(), sampling_params())
def test_sampling_parameters_are_taken(prompt, params):
    request = SampleRequest(prompt=prompt, sampling_params=params)
    assert check_sampling(request, prompt.length, MODEL) == params.max_tokens


@FEW
@given(tinker_paths(st.just("sampler")))
def test_a_path_is_of_the_kind_that_was_asked_for(path):
    assert ParsedCheckpointTinkerPath.from_tinker_path(path).checkpoint_type == "sampler"


@FEW
@given(checkpoint_lists())
def test_a_list_of_checkpoints_hangs_together(page):
    times = [checkpoint.time for checkpoint in page.checkpoints]
    assert times == sorted(times, reverse=True)
    for checkpoint in page.checkpoints:
        parsed = ParsedCheckpointTinkerPath.from_tinker_path(checkpoint.tinker_path)
        assert parsed.checkpoint_id == checkpoint.checkpoint_id
        assert checkpoint.checkpoint_id.startswith(SEGMENT_OF_TYPE[checkpoint.checkpoint_type] + "/")
    assert page.cursor is None or page.cursor.total_count >= page.cursor.offset + len(page.checkpoints)


@FEW
@given(adam_params())
def test_parameters_of_a_step_are_those_that_optimizers_know(params):
    assert 0 <= params.beta1 < 1
    assert params.eps > 0
