"""How far a run is, on a terminal and in a log."""

from io import StringIO

from fake_server.progress import Progress


class Terminal(StringIO):
    def isatty(self):
        return True


def steps(stream):
    progress = Progress(stream, 3)
    progress.step("FUT-01", "FUT", failed=False, seconds=0.25)
    progress.step("FUT-02", "FUT", failed=True, seconds=0.25)
    progress.step("SES-01", "SES", failed=False, seconds=1)
    progress.end()
    return stream.getvalue()


def test_a_log_has_a_line_for_each_group():
    assert steps(StringIO()) == "FUT   2 tried, 1 failed, 0.5 s\nSES   1 tried, 0 failed, 1.0 s\n"


def test_a_terminal_has_a_bar_that_makes_room_at_the_end(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    frames = steps(Terminal()).split("\r\x1b[K")

    assert frames[1] == f"{'━' * 10}{'┄' * 20} 1/3 FUT-01"
    assert frames[3:] == [f"{'━' * 30} 3/3 SES-01, 1 failed", ""]


def test_a_narrow_terminal_has_no_wrapped_bar(monkeypatch):
    monkeypatch.setenv("COLUMNS", "14")

    assert {len(frame) <= 14 for frame in steps(Terminal()).split("\r\x1b[K")} == {True}


def test_a_run_without_steps_says_nothing():
    stream = StringIO()
    Progress(stream, 0).end()

    assert stream.getvalue() == ""
