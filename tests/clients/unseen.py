"""The broken clients that the fuzzer cannot see, by the reason; it finds all others."""

__all__ = ["UNSEEN"]

UNSEEN: dict[str, str] = {
    "beats-between-requests": "it differs where a thread beats in real time; in virtual time all beat so",
}
