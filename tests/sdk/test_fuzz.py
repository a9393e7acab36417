"""The published SDK under random programs and faults: nothing is found but what is known."""

import pytest

from contract import programs as p
from fake_server.client_fuzzing import Case, Finding, Found, Hunted, SdkPlayer, Tally, batches, hunt
from fake_server.client_fuzzing import sdk_hunt as hunting
from fake_server.client_fuzzing import sdk_player as playing
from fake_server.client_fuzzing.sdk_hunt import hunt_sdk, sdk_fuzz
from fake_server.client_fuzzing.stage import Stage
from fake_server.delivery import DeliveryRule
from fake_server.fake import Fake
from fake_server.fast_sdk import fast_sdk
from fake_server.scenarios.trial import scenario_server

LIFE = p.Program.of(
    p.CreateSession(),
    p.CreateModel(),
    p.ForwardBackward(wait=False),
    p.OptimStep(),
    p.Forward(),
    p.SaveWeights(),
    p.LoadWeights(),
    p.LoadWeights(optimizer=False),
    p.LoadModel(),
    p.LoadModel(optimizer=False),
    p.SaveForSampler(),
    p.CreateSampler(),
    p.CreateSampler(checkpoint=1),
    p.Sample(num_samples=2),
    p.Logprobs(sampler=1),
)

pytestmark = [pytest.mark.sdk, pytest.mark.filterwarnings("ignore:DEPRECATED:FutureWarning")]


@pytest.fixture
def stage():
    with scenario_server() as server, fast_sdk():
        stage = Stage(Fake(server, "sdk-player"), SdkPlayer)
        yield stage
        stage.close()


def test_the_sdk_plays_every_step(stage) -> None:
    heard = stage.run(Case(LIFE)).heard

    assert [one for one in heard if one.error is not None or one.skipped] == []
    assert heard[2].value["metrics"]["loss:sum"] > heard[4].value["metrics"]["loss:sum"]
    assert [len(one["tokens"]) for one in heard[13].value] == [4, 4]
    assert heard[14].value[0] is None


@pytest.mark.parametrize(("eps", "sent"), [(0.5, 0.5), (None, 1e-12)])
def test_a_step_is_taken_with_its_own_eps(tinker_fake, eps, sent) -> None:
    player = SdkPlayer(tinker_fake)
    player.play(p.Program.of(p.CreateSession(), p.CreateModel(), p.ForwardBackward(), p.OptimStep(eps=eps)))
    player.close()

    (asked,) = tinker_fake.journal.calls("optim_step")
    assert asked.request["adam_params"]["eps"] == sent


def test_a_step_that_the_sdk_has_not_is_refused(stage) -> None:
    (heard,) = stage.run(Case(p.Program.of(p.ListSessions()))).heard

    assert "ListSessions: expected a step of" in str(heard)


def test_an_outcome_that_does_not_come_is_a_hang(stage, monkeypatch) -> None:
    monkeypatch.setattr(playing, "SECONDS", 0.01)
    never = DeliveryRule(operation="create_model", never=True)

    heard = stage.run(Case(p.Program.of(p.CreateSession(), p.CreateModel()), rules=(never,))).heard

    assert "Hang: no outcome after" in str(heard[1])


def test_nothing_is_found_but_what_is_known() -> None:
    with scenario_server() as server, fast_sdk(), sdk_fuzz(server) as fuzz:
        hunted = hunt(fuzz, batches(SdkPlayer.kinds, max_steps=6), examples=12, seed_number=2)

    assert hunted.found is None
    assert hunted.tally.effective


def test_shares_of_the_work_are_added_up(monkeypatch) -> None:
    monkeypatch.setattr(hunting, "ProcessPoolExecutor", OneProcess)
    monkeypatch.setattr(hunting, "PER_SHARE", 4)
    told: list[int] = []

    hunted = hunt_sdk(8, 1, on_share=lambda tally: told.append(tally.cases))

    assert hunted.found == []
    assert (len(told), hunted.tally.cases) == (2, sum(told))
    assert all(count >= 4 for count in told)


@pytest.mark.parametrize(
    ("flaky", "words"), [(False, "hang: for ever"), (True, "found once: hang: for ever")]
)
def test_a_share_that_finds_something_tells_it(monkeypatch, flaky, words) -> None:
    found = Found(Case(LIFE), [Finding("hang", "for ever")])
    monkeypatch.setattr(hunting, "ProcessPoolExecutor", OneProcess)
    monkeypatch.setattr(hunting, "hunt", lambda *_, **__: Hunted(Tally(), found, flaky))

    (told,) = hunt_sdk(1, 1).found

    assert told.startswith(words)


class OneProcess:
    """Stands in for a pool: the work is done here."""

    def __init__(self, jobs, context) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass

    def map(self, work, shares):
        return map(work, shares)
