from fake_server.wire import Headers

HEADERS = Headers([(b"accept", b"text/plain"), (b"accept", b"application/json"), (b"x-name", b"caf\xe9")])


def test_the_last_of_several_headers_counts() -> None:
    assert HEADERS.get("accept") == "application/json"


def test_a_header_is_text_whatever_its_bytes() -> None:
    assert HEADERS.get("x-name") == "café"


def test_a_header_that_was_not_sent_has_a_default() -> None:
    assert (HEADERS.get("host"), HEADERS.get("host", "localhost")) == ("", "localhost")
