"""What the fuzzing of our own server found, so that it stays away."""

from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.server import bench_of
from fake_server.fuzzing.trial import Trial
from tests.fake_server.fuzzing.test_server import own


def test_a_sample_that_names_no_weights_opens_no_session():
    request = plain("asample").having("of nothing", "refused", "WIRE-44")
    request.fields["sampling_session_id"] = None
    with bench_of(own(), "tml-x", None, 5) as bench:
        assert Trial(bench).run(request).reply.status == 400
