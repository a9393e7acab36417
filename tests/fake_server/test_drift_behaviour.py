"""What releases made of the same answers, compared; and what the newer one needs."""

import pytest

from contract.versions import SdkVersion
from fake_server.drift.behaviour_compared import common_steps, outcome_changes, strike_changes
from fake_server.drift.lacking import answers_of, play_lacking
from fake_server.drift.recorder import Sent, Strike
from fake_server.drift.runs import Played
from fake_server.drift.scenes import BASIC, scenes

FINE = dict.fromkeys(BASIC, "ok")


def played(outcomes, sent=(), tries=None):
    return Played(outcomes, sent, tries or {})


def release(whole=None, results=None, requests=None):
    return {
        "whole": played(whole or {"a": "ok"}),
        "JSON results": played(FINE | (results or {})),
        "JSON requests": played(FINE | (requests or {})),
    }


def told(older, newer):
    return [
        each if isinstance(each, str) else (each.severity, each.place, each.text)
        for each in outcome_changes(older, newer)
    ]


def test_the_same_outcomes_have_no_changes():
    assert told(release(), release()) == []


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("ok", "ValueError: x", ("breaking", "step a", "ok -> ValueError: x")),
        ("ValueError: x", "ok", ("compatible", "step a", "ValueError: x -> ok")),
        ("ValueError: x", "KeyError: y", "step a: ValueError: x -> KeyError: y"),
        ("absent", "ValueError: x", "step a: absent -> ValueError: x"),
        ("ok", "no end", "step a: ok -> no end"),
        ("ok", "not tried: needs model", "step a: ok -> not tried: needs model"),
    ],
)
def test_a_step_that_ends_otherwise_is_told_and_one_that_never_works_is_not_checked(before, after, change):
    assert told(release({"a": before}), release({"a": after})) == [change]


@pytest.mark.parametrize(("before", "after"), [("ok", "absent"), ("absent", "ok"), ("absent", "absent")])
def test_steps_that_a_release_does_not_have_are_told_by_its_methods(before, after):
    assert told(release({"a": before}), release({"a": after})) == []
    assert common_steps(played({"a": before}), played({"a": after})) == []


def test_json_results_that_are_refused_break():
    newer = release(results={"sample": "ValueError: x", "logprobs": "ValueError: x"})
    assert told(release(), newer) == [("breaking", "results", "JSON is taken -> refused, ValueError")]
    assert told(newer, release()) == [("additive", "results", "JSON is refused -> taken")]


def test_bodies_that_are_no_json_any_more_break():
    older, newer = release(), release(requests={"forward_backward": "APIStatusError: 415"})
    assert told(older, newer)[0][0] == "breaking"
    assert told(newer, older)[0][0] == "additive"


def test_a_scene_that_has_no_end_is_not_checked():
    newer = release(results={"sample": "no end"})
    assert told(release(), newer) == ["JSON results: no end of sample"]
    assert strikes(("ok", 2), ("no end", 2))[0].endswith("no answer to what was done (no end)")


STRIKES = {"optim_step 429": Strike("retrieve_future", 429), "optim_step try_again": Strike("x", 200)}


def strikes(before, after):
    sides = [
        played(dict.fromkeys(STRIKES, outcome), (), dict.fromkeys(STRIKES, tries))
        for outcome, tries in (before, after)
    ]
    found = list(strike_changes(*sides, STRIKES, "poll"))
    return [each if isinstance(each, str) else (each.severity, each.place, each.text) for each in found]


def test_a_status_after_which_a_release_does_not_go_on_any_more_breaks():
    assert strikes(("ok", 2), ("ValueError: x", 1)) == [
        ("breaking", "status 429, answered to a poll", "repeated, ok -> ValueError"),
        ("breaking", "try_again, answered to a poll", "repeated, ok -> ValueError"),
    ]


def test_a_status_that_is_repeated_now_is_seen_and_another_error_is_not():
    assert strikes(("ValueError: x", 1), ("ok", 2))[0][0] == "additive"
    assert strikes(("ValueError: x", 1), ("KeyError: x", 1))[0][0] == "compatible"
    assert strikes(("ValueError: x", 1), ("ValueError: y", 1)) == []


def test_what_was_never_struck_is_not_checked():
    assert strikes(("ok", 2), ("not tried: needs model", 0))[0] == (
        "poll, optim_step 429: no answer to what was done (not tried)"
    )


class Scripted:
    """A stage on which the steps of named scenes fail."""

    def __init__(self, **failing):
        self.failing = failing
        self.scenes = []

    def play(self, _folder, scenes):
        self.scenes += scenes
        return {scene.name: played({"a": "ok", "b": "ok"} | self.fails(scene)) for scene in scenes}

    def fails(self, scene):
        lacking = [*scene.gone, *(name for names in scene.without.values() for name in names)]
        return {step: "ValueError: x" for name in lacking for step in self.failing.get(name, ())}


def shape(**types):
    return {"types": types}


def lacking(stage, calls, shapes=({"types": {}}, {"types": {}})):
    versions = (SdkVersion(0, 25, 0), SdkVersion(0, 26, 0))
    return play_lacking(stage, None, played({"a": "ok", "b": "ok"}), calls, shapes, versions)


def test_a_new_operation_is_tried_without():
    stage = Scripted(get_sampler=["b"])
    found = lacking(stage, ({"get_info"}, {"get_info", "get_sampler", "healthz"}))
    assert found.operations == {"get_sampler": ["b"], "healthz": []}


def test_a_new_field_of_an_answer_is_tried_without():
    stage = Scripted(sample_sequence_ids=["a"])
    found = lacking(stage, ({"asample"}, {"asample"}))
    assert found.fields[("UntypedAPIFuture", "sample_sequence_ids")] == ["a"]
    assert [scene.name for scene in stage.scenes] == [
        "without all new fields",
        "without UntypedAPIFuture.sample_sequence_ids",
    ]


def test_fields_without_which_all_goes_well_are_not_tried_one_by_one():
    found = lacking(stage := Scripted(), ({"asample"}, {"asample"}))
    assert found.fields[("UntypedAPIFuture", "sample_sequence_ids")] == []
    assert len(stage.scenes) == 1


def test_a_field_that_our_own_server_does_not_know_is_one_without_which_all_went_well():
    shapes = (shape(GetInfoResponse={"a": {}}), shape(GetInfoResponse={"a": {}, "unheard": {}}))
    found = lacking(stage := Scripted(), ({"get_info"}, {"get_info"}), shapes)
    assert found.fields == {("GetInfoResponse", "unheard"): []}
    assert stage.scenes == []


def test_answers_have_the_operations_that_give_them():
    assert answers_of("GetInfoResponse") == ("get_info",)
    assert {"asample", "optim_step"} <= set(answers_of("UntypedAPIFuture"))


def test_scenes_have_names_of_their_own_and_only_known_steps():
    from fake_server.drift.program import Program

    every = scenes()
    names = {step.partition(" ")[0] for scene in every for step in scene.steps}
    assert len({scene.name for scene in every}) == len(every)
    assert all(hasattr(Program, f"do_{name}") for name in names)


def test_requests_are_values():
    assert Sent("a", "b", {}, {}, "", {}) == Sent("a", "b", {}, {}, "", {})
