"""`Records`: what is asked about what is there. Answers are plain fields: what is new in them stays."""

from typing import Any

from contract.ids import ParsedCheckpointTinkerPath
from tests.clients.caller import Caller
from tests.clients.errors import BadInput, WrongAnswer
from tests.clients.readings import rows_in

__all__ = ["Records"]


class Records(Caller):
    """Operations that answer at once, and train and sample nothing."""

    def get_info(self, model_id: str) -> dict[str, Any]:
        """What a model is."""
        answer = self.call("get_info", {"model_id": model_id, "type": "get_info"})
        if answer.get("model_id") != model_id or not isinstance(answer.get("model_data"), dict):
            raise WrongAnswer(
                f"get_info: expected the data of {model_id}, got those of {answer.get('model_id')}"
            )
        return answer

    def base_models(self) -> list[str]:
        """Names of the models that can be trained or sampled."""
        rows = rows_in(
            "get_server_capabilities", self.call("get_server_capabilities", {}), "supported_models"
        )
        return [row["model_name"] for row in rows if row.get("model_name")]

    def list_checkpoints(self, model_id: str) -> list[dict[str, Any]]:
        """A model's checkpoints, newest first; types that are new are kept."""
        answer = self.call("list_checkpoints", {"training_run_id": model_id})
        return rows_in("list_checkpoints", answer, "checkpoints", "checkpoint_id", "tinker_path")

    def list_user_checkpoints(self, limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
        """A page of all checkpoints, newest first."""
        answer = self.call("list_user_checkpoints", {"limit": limit, "offset": offset})
        return rows_in("list_user_checkpoints", answer, "checkpoints", "checkpoint_id", "tinker_path")

    def delete_checkpoint(self, path: str) -> None:
        """Delete a checkpoint."""
        self.tell("delete_checkpoint", _fields_of(path))

    def set_checkpoint_ttl(self, path: str, ttl_seconds: int | None) -> None:
        """Give a checkpoint a new life; None is for ever."""
        self.tell("set_checkpoint_ttl", {**_fields_of(path), "ttl_seconds": ttl_seconds})

    def weights_info(self, path: str) -> dict[str, Any]:
        """What a checkpoint's model is."""
        answer = self.call("weights_info", {"tinker_path": path})
        if not isinstance(answer.get("base_model"), str):
            raise WrongAnswer(f"weights_info: expected a base_model of {path}, got none")
        return answer

    def list_training_runs(self, limit: int = 20, offset: int = 0) -> list[dict[str, Any]]:
        """A page of training runs, newest first."""
        answer = self.call("list_training_runs", {"limit": limit, "offset": offset})
        return rows_in("list_training_runs", answer, "training_runs", "training_run_id", "base_model")

    def get_training_run(self, model_id: str) -> dict[str, Any]:
        """One training run."""
        answer = self.call("get_training_run", {"training_run_id": model_id})
        if answer.get("training_run_id") != model_id:
            raise WrongAnswer(f"get_training_run: expected {model_id}, got {answer.get('training_run_id')!r}")
        return answer

    def list_sessions(self, limit: int = 20, offset: int = 0) -> list[str]:
        """A page of sessions, newest first."""
        answer = self.call("list_sessions", {"limit": limit, "offset": offset})
        return [str(row) for row in rows_in("list_sessions", answer, "sessions")]

    def get_session(self, session_id: str) -> dict[str, Any]:
        """What belongs to a session."""
        answer = self.call("get_session", {"session_id": session_id})
        rows_in("get_session", answer, "training_run_ids")
        rows_in("get_session", answer, "sampler_ids")
        return answer

    def get_sampler(self, sampler_id: str) -> dict[str, Any]:
        """What a sampler samples from."""
        answer = self.call("get_sampler", {"sampling_session_id": sampler_id})
        if answer.get("sampler_id") != sampler_id:
            raise WrongAnswer(f"get_sampler: expected {sampler_id}, got {answer.get('sampler_id')!r}")
        return answer


def _fields_of(path: str) -> dict[str, str]:
    try:
        parsed = ParsedCheckpointTinkerPath.from_tinker_path(path)
    except ValueError as error:
        raise BadInput(str(error)) from None
    segment, _, name = parsed.checkpoint_id.partition("/")
    return {"training_run_id": parsed.training_run_id, "segment": segment, "name": name}
