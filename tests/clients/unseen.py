"""The broken clients that the fuzzer cannot see, by the reason; it finds all others."""

__all__ = ["UNSEEN"]

SKIPPED = "the verdict counts silence in time that was lived, and a virtual clock skips the waits"
UNSEEN: dict[str, str] = {
    "no-heartbeats": SKIPPED,
    "heart-stops": SKIPPED,
    "stale-sampler": "it takes a model that was trained, and two samplers: more steps than chance draws",
    "beats-between-requests": "it differs where a thread beats in real time; in virtual time all beat so",
}
