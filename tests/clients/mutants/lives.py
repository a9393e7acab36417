"""Clients that mishandle sessions, tokens and what goes with every request."""

from contextlib import suppress

from tests.clients.errors import ClientError
from tests.clients.mini import MiniClient
from tests.clients.mutants.mutant import Zoo

__all__ = ["LIFE_MUTANTS"]

LIFE_MUTANTS = Zoo()
mutant = LIFE_MUTANTS.mutant


@mutant("no-heartbeats", "Sessions do not beat.", "SCN-79")
class NoHeartbeats(MiniClient):
    def heartbeat(self, session_id, transport=None):
        return True


@mutant("heart-stops", "A heartbeat that is not answered well is the last one.", "SCN-78")
class HeartStops(MiniClient):
    def heartbeat(self, session_id, transport=None):
        alive = super().heartbeat(session_id, transport)
        if not alive:
            self.beats.pop(session_id, None)
        return alive


@mutant("beats-between-requests", "Sessions beat only while nothing is waited for.", "SCN-79")
class BeatsBetweenRequests(MiniClient):
    def heartbeat(self, session_id, transport=None):
        return True if transport is not None else super().heartbeat(session_id)


@mutant("session-left-open", "Sessions are not ended.", "SCN-01")
class SessionLeftOpen(MiniClient):
    def finish_session(self, session_id, reason="success", detail=None):
        self.drain(session_id)
        self.beats.pop(session_id, None)
        self.finished.add(session_id)


@mutant("end-tried-once", "The end of a session is told once, and its failure is the run's.", "SCN-83")
class EndTriedOnce(MiniClient):
    def answer(self, ask):
        if ask.operation != "finish_session":
            return super().answer(ask)
        reply = self.attempt(ask, 0)
        if reply is None or reply.status >= 400:
            raise self.refusal(ask, reply)
        return reply


@mutant("works-after-the-end", "It saves once more when the session has ended.", "SCN-01")
class WorksAfterTheEnd(MiniClient):
    def finish_session(self, session_id, reason="success", detail=None):
        super().finish_session(session_id, reason, detail)
        self.finished.discard(session_id)
        model = next(owner for kind, owner in self.numbers if kind == "seq_id")
        with suppress(ClientError):
            super().save_weights(model, "too-late").result()


@mutant("ends-first", "It ends the session, and then fetches what is under way.", "SCN-01")
class EndsFirst(MiniClient):
    def finish_session(self, session_id, reason="success", detail=None):
        model = next((owner for kind, owner in self.numbers if kind == "seq_id"), None)
        body = {"session_id": session_id, "reason": {"type": reason}, "detail": detail}
        self.tell("finish_session", body)
        if model:
            with suppress(ClientError):
                self.create_sampling_session(session_id, base_model="tinkerproof/pico")
        super().finish_session(session_id, reason, detail)


@mutant("beats-for-ever", "A session that has ended beats on.", "SCN-01")
class BeatsForEver(MiniClient):
    def finish_session(self, session_id, reason="success", detail=None):
        super().finish_session(session_id, reason, detail)
        self.sleep(16.0)
        self.heartbeat(session_id)


@mutant(
    "another-session",
    "What a lost session was for is done in another, and so is all that comes after.",
    "SCN-81",
)
class AnotherSession(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        try:
            return super().optim_step(model_id, learning_rate, **adam)
        except ClientError:
            session = self.create_session()
            fresh = self.create_model(session, "tinkerproof/pico").result()
            return super().optim_step(fresh, learning_rate, **adam)


@mutant("token-kept", "A token is not renewed.", "SCN-11")
class TokenKept(MiniClient):
    def is_token_refused(self, ask, reply):
        return False


@mutant("key-for-token", "Where it gets no token it sends its key.", "SCN-12")
class KeyForToken(MiniClient):
    def renew_token(self):
        reply = self.carry(self.ask_of("auth_token", {}), 0)
        if reply is not None and reply.status == 200:
            self.credential.put(reply.fields["jwt"], self.now())

    def is_token_refused(self, ask, reply):
        return False


@mutant("config-tried-once", "The configuration is asked for once.", "SCN-02")
class ConfigTriedOnce(MiniClient):
    def prepare(self):
        if self.flags is None:
            ask = self.ask_of("client_config", {"sdk_version": self.version})
            reply = self.carry(ask, 0)
            if reply is None or reply.status != 200:
                raise self.refusal(ask, reply)
        super().prepare()


@mutant("key-in-metadata", "The key is kept in the session's metadata.", "SCN-01")
class KeyInMetadata(MiniClient):
    def create_session(self, tags=(), **metadata):
        return super().create_session(tags, **metadata, api_key=self.credential.key)


@mutant("key-as-bearer", "The key is sent as Authorization.", "SCN-01")
class KeyAsBearer(MiniClient):
    def headers_of(self, ask, attempt):
        headers = super().headers_of(ask, attempt)
        headers["authorization"] = f"Bearer {headers.pop('x-api-key')}"
        return headers


@mutant("protobuf-as-json", "A pass is sent in protobuf under the type of JSON.", "SCN-01")
class ProtobufAsJson(MiniClient):
    def headers_of(self, ask, attempt):
        return {**super().headers_of(ask, attempt), "content-type": "application/json"}


@mutant("no-version", "It says in the body which version it is, and not in the header.", "SCN-01")
class NoVersion(MiniClient):
    def headers_of(self, ask, attempt):
        headers = super().headers_of(ask, attempt)
        del headers["x-stainless-package-version"]
        return headers


@mutant("old-version", "It says that it is 0.6.1, and speaks as 0.38.0 does.", "SCN-01")
class OldVersion(MiniClient):
    version = "0.6.1"


@mutant("fields-of-its-own", "It sends a field that nobody knows.", "SCN-01")
class FieldsOfItsOwn(MiniClient):
    def on_model(self, operation, model_id, fields, reading):
        return super().on_model(operation, model_id, {**fields, "priority": "high"}, reading)
