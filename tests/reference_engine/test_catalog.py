import json

import pytest

from reference_engine.catalog import BUILT_IN, Catalog, CatalogEntry
from reference_engine.loading import read_config


@pytest.fixture
def hub(tmp_path):
    """Writes folders as a hub has them; gives their paths."""

    def folder(name, file="config.json"):
        path = tmp_path / name
        path.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(json.dumps({"model_type": "llama"}))
        return path

    return folder


def names(catalog):
    return [entry.name for entry in catalog.entries]


def test_the_built_in_model_is_there_and_the_default():
    (entry,) = Catalog().entries

    assert entry.name == BUILT_IN == "tinkerproof/pico"
    assert read_config(entry.path).arch in ("llama", "qwen2", "qwen3")


def test_named_models_come_after_the_built_in_one_and_before_those_of_the_root(hub, tmp_path):
    path = hub("tiny")
    for name in ("root/b/two", "root/b/one", "root/a/three"):
        hub(name)
    catalog = Catalog([("z/named", str(path)), ("b/two", str(path))], str(tmp_path / "root"))

    assert names(catalog) == [BUILT_IN, "z/named", "b/two", "a/three", "b/one"]
    assert catalog.find("b/two").path == path


def test_the_built_in_name_can_be_given_another_path(hub):
    assert Catalog([(BUILT_IN, str(hub("tiny")))]).entries == (CatalogEntry(BUILT_IN, hub("tiny")),)


def test_names_of_one_folder_share_its_path_through_symlinks(hub, tmp_path):
    (tmp_path / "root" / "b").mkdir(parents=True)
    (tmp_path / "root" / "b" / "linked").symlink_to(hub("tiny"), target_is_directory=True)
    catalog = Catalog([("a/named", str(tmp_path / "tiny/../tiny"))], str(tmp_path / "root"))

    assert catalog.find("b/linked").path == catalog.find("a/named").path == hub("tiny")


def test_a_gguf_file_and_the_folder_that_has_only_it_are_one_path(hub):
    folder = hub("tiny", "model.gguf")
    catalog = Catalog([("a/folder", str(folder)), ("a/file", str(folder / "model.gguf"))])

    assert catalog.find("a/folder").path == catalog.find("a/file").path == folder / "model.gguf"


def test_a_root_may_hold_what_is_no_model(hub, tmp_path):
    hub("root/openai/gsm8k", "README.md")
    hub("root/some/model")
    hub("root/some/gguf", "model.gguf")
    (tmp_path / "root/README.md").touch()

    assert names(Catalog(models_root=str(tmp_path / "root")))[1:] == ["some/gguf", "some/model"]


def test_a_folder_of_a_root_with_several_gguf_files_is_passed_over(hub, tmp_path):
    hub("root/some/model")
    hub("root/some/parts", "a.gguf")
    hub("root/some/parts", "b.gguf")

    assert names(Catalog(models_root=str(tmp_path / "root")))[1:] == ["some/model"]


def test_names_can_be_limited_and_put_in_order(hub):
    models = [("a/one", str(hub("one"))), ("a/two", str(hub("two")))]

    assert names(Catalog(models, base_models=["a/two", "a/one"])) == ["a/two", "a/one"]
    assert names(Catalog(base_models=[BUILT_IN])) == [BUILT_IN]


def test_a_name_may_ask_for_a_context_length(hub):
    tiny = hub("tiny")
    catalog = Catalog([("a/one", str(tiny))], base_models=["a/one:peft:512"])

    assert catalog.entries == (CatalogEntry("a/one:peft:512", tiny, 512),)
    assert Catalog([("a/one", str(tiny))]).find("a/one:peft:64") == CatalogEntry("a/one:peft:64", tiny, 64)
    assert Catalog([("a/one:peft:64", str(tiny))]).find("a/one:peft:64").context_length == 64


def test_a_name_that_is_not_there_is_answered_with_those_that_are(hub):
    catalog = Catalog([("a/one", str(hub("tiny")))])

    with pytest.raises(
        LookupError, match=r"expected one of tinkerproof/pico, a/one, got 'a/two'; add it with"
    ):
        catalog.find("a/two")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/two", "^--base-model a/two: base_model: expected one of tinkerproof/pico, got 'a/two'"),
        ("a/two:peft:x", "^--base-model a/two:peft:x: .*expected NAME:peft:LENGTH"),
    ],
)
def test_a_limit_to_what_is_not_there_is_refused(name, message):
    with pytest.raises((LookupError, ValueError), match=message):
        Catalog(base_models=[name])


def test_a_path_that_is_not_there_is_named():
    message = r"^--model Qwen/Qwen3-8B=./no: expected a folder with config.json, or a GGUF file, got no such"

    with pytest.raises(FileNotFoundError, match=message):
        Catalog([("Qwen/Qwen3-8B", "./no")])


@pytest.mark.parametrize(
    ("file", "path", "message"),
    [
        ("README.md", "tiny", "got a folder without either; is it the model's folder"),
        ("model.safetensors", "tiny/model.safetensors", r"got a file \*.safetensors; name the folder"),
    ],
)
def test_a_path_that_is_no_model_is_refused(hub, file, path, message):
    with pytest.raises(ValueError, match=message):
        Catalog([("a/one", str(hub("tiny", file).parent / path))])


def test_a_folder_with_several_gguf_files_cannot_be_chosen_from(hub):
    hub("tiny", "a.gguf")

    with pytest.raises(ValueError, match=r"or one GGUF file, got a.gguf, b.gguf; name the file itself"):
        Catalog([("a/one", str(hub("tiny", "b.gguf")))])


def test_one_name_has_one_path(hub):
    once, again = ("a/one", str(hub("one"))), ("a/one", str(hub("two")))

    assert names(Catalog([once, once])) == [BUILT_IN, "a/one"]
    with pytest.raises(ValueError, match=r"--model a/one=.*two: expected one path for a name, got .*one too"):
        Catalog([once, again])


def test_a_root_that_is_not_there_or_has_no_model_is_refused(tmp_path):
    with pytest.raises(
        NotADirectoryError, match=r"^--models-root .*no: expected a folder with models as ORG/"
    ):
        Catalog(models_root=str(tmp_path / "no"))
    with pytest.raises(ValueError, match="got 0 folders and no model"):
        Catalog(models_root=str(tmp_path))
