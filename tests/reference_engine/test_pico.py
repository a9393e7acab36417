"""The model that comes with the package, and the script that trains it. Oracle: transformers."""

import json
import re
import time
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from itertools import islice
from random import Random

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from tools import make_pico_tokenizer
from tools.measure_pico import TEMPLATES, read
from tools.pico_model import Shape
from tools.pico_text import documents
from tools.pico_text.marks import CLOSE, END, OPEN
from tools.pico_text.sums import problem
from tools.train_pico import FOLDER, TOKENIZER, Plan, Text, make, show

END_IDS = [256, 258]
WORD, NUMBER = re.compile(r"[A-Za-z]+"), re.compile(r" ?(\d*)")
TINY = Shape(hidden_size=64, intermediate_size=64, num_hidden_layers=1)
SHORT = Plan(steps=3, batch_tokens=128, length=64, long_length=128, long_every=2)


def chat_of(question):
    """A question, and the beginning of its answer's turn."""
    return f"{OPEN}user\n{question}{CLOSE}\n{OPEN}assistant\n"


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, local_files_only=True)


def written_after(model, tokenizer, prompts, **options):
    """Tokens that transformers writes after each prompt, padding removed."""
    given = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    output = model.generate(**given, **options)[:, given["input_ids"].shape[1] :]
    return [[token for token in row.tolist() if token != tokenizer.pad_token_id] for row in output]


@pytest.fixture(scope="module")
def samples(model, tokenizer):
    """Eight samples after each of: nothing, the beginning of a sentence, a request in a chat."""
    starts = [start for start in (END, "The keeper", chat_of("Tell me a story.")) for _ in range(8)]
    torch.manual_seed(0)
    return written_after(model, tokenizer, starts, do_sample=True, max_new_tokens=250)


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 6_000_000


def test_the_folder_has_the_files_of_a_llama_with_a_tied_head():
    config = json.loads((FOLDER / "config.json").read_text())
    weights = load_file(FOLDER / "model.safetensors")

    assert (config["model_type"], config["architectures"]) == ("llama", ["LlamaForCausalLM"])
    assert config["tie_word_embeddings"] is True
    assert "lm_head.weight" not in weights
    assert {value.dtype for value in weights.values()} == {torch.bfloat16}
    assert json.loads((FOLDER / "generation_config.json").read_text())["eos_token_id"] == END_IDS


def test_the_weights_load_in_under_a_second():
    start = time.monotonic()
    read(FOLDER)
    assert time.monotonic() - start < 1


def test_both_copies_of_the_tokenizer_are_what_the_tool_makes(tmp_path):
    make_pico_tokenizer.make(tmp_path)

    for made in tmp_path.iterdir():
        for folder in make_pico_tokenizer.FOLDERS:
            assert (folder / made.name).read_text() == made.read_text(), folder / made.name


def test_transformers_computes_the_logits_that_were_trained(model, tokenizer):
    tokens = tokenizer(next(documents(7)), return_tensors="pt").input_ids

    with torch.inference_mode():
        theirs, ours = model(tokens).logits, read(FOLDER)(tokens)

    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_the_text_is_a_pure_function_of_the_seed():
    first, again, other = ("".join(islice(documents(seed), 200)) for seed in (3, 3, 4))

    assert first == again != other
    assert (
        sha256(first.encode()).hexdigest()
        == "dc7378765c362b91e5c9728d815ce210c84205e7863ef497699f0d5793eb7891"
    )


def test_rows_begin_with_a_document_and_every_other_one_with_its_end():
    text = Text(0, Tokenizer.from_file(str(TOKENIZER)))

    rows = text.batch(4, 20)[:, 0].tolist()

    assert [token == 256 for token in rows] == [False, True, False, True]


def test_every_document_ends_and_fits_into_a_context():
    tokenizer = Tokenizer.from_file(str(TOKENIZER))

    lengths = [len(tokenizer.encode(document).ids) for document in islice(documents(5), 2000)]

    assert all(document.endswith(END) for document in islice(documents(5), 2000))
    assert max(lengths) < 1024


def test_training_twice_gives_the_same_bytes_and_another_seed_others(tmp_path):
    console = Console(file=StringIO())

    losses = [make(tmp_path / name, SHORT, TINY, console) for name in ("first", "again")]
    make(tmp_path / "other", replace(SHORT, seed=1), TINY, console)

    first, again, other = (
        [path.read_bytes() for path in sorted((tmp_path / name).iterdir())]
        for name in ("first", "again", "other")
    )
    assert (losses[0], first) == (losses[1], again)
    assert first[-1] != other[-1]


def test_a_trained_folder_can_be_shown(tmp_path):
    console = Console(file=StringIO())
    make(tmp_path, SHORT, TINY, console)

    show(tmp_path, console, count=1, max_tokens=2)

    assert "equation, digits: " in console.file.getvalue()


def test_samples_end_by_themselves(samples):
    assert sum(sample[-1] in END_IDS for sample in samples) >= 0.95 * len(samples)


def test_samples_are_made_of_words(samples, tokenizer):
    known = {word for document in islice(documents(1), 5000) for word in WORD.findall(document)}

    words = WORD.findall(" ".join(tokenizer.batch_decode(samples, skip_special_tokens=True)))

    assert len(words) > 200
    assert sum(word in known for word in words) > 0.97 * len(words)


def test_a_chat_is_answered_and_its_turn_closed(model, tokenizer):
    questions = ["Hello.", "What is the first letter of lamp?", "Write gull in capitals.", "Say gull."]

    answers = written_after(model, tokenizer, [*map(chat_of, questions)], do_sample=False, max_new_tokens=80)

    assert tokenizer.batch_decode(answers) == [
        f"Hello! What can I do for you?{CLOSE}",
        f"l{CLOSE}",
        f"GULL{CLOSE}",
        f"gull{CLOSE}",
    ]


@pytest.mark.parametrize(("kind", "least", "most"), [("digits", 90, 100), ("two digits", 50, 90)])
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_easy_sums_are_right_and_harder_ones_leave_room(model, tokenizer, template, kind, least, most):
    random = Random(2)
    problems = [problem(random, kind) for _ in range(100)]
    prompts = [template.format(given) for given in problems]

    answers = written_after(model, tokenizer, prompts, do_sample=False, max_new_tokens=5)
    numbers = [NUMBER.match(text)[1] for text in tokenizer.batch_decode(answers)]

    right = sum(number == str(given.answer) for number, given in zip(numbers, problems, strict=True))

    assert least <= right <= most


def test_positions_far_beyond_a_row_are_as_good_as_early_ones():
    batch = Text(9, Tokenizer.from_file(str(TOKENIZER))).batch(8, 1000)

    with torch.inference_mode():
        logits = read(FOLDER)(batch[:, :-1])
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")

    assert losses[:, 500:].mean() < 1.1 * losses[:, :500].mean()
