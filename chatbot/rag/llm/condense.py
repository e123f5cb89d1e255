"""Making a follow-up question stand alone before it is searched.

"And for production?" finds nothing by itself. With a language model the model rewrites it, or says that it stands
alone; a question that plainly does is left as it is, which saves the model's time. Without one the question before it
is put in front where the words tell that it is needed, and a longer one is also searched as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from chatbot.rag.llm.prompts import in_turns
from chatbot.rag.llm.small_talk import small_talk
from chatbot.rag.llm.thoughts import without_thoughts
from chatbot.rag.text.follow_ups import leans_on_history, own_words
from chatbot.rag.types import Condensed, HistoryMessage

_LONGEST = 600
# A follow-up with so few words of its own is only searched together with the question before it.
FEW_WORDS = 3

CONDENSE_PROMPT = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            "Rewrite the person's last message as one question that can be understood without the conversation. "
            "If it can be understood so already, repeat it word for word. Keep its language and its names. "
            "Do not answer it. Reply with the question only.",
        ),
        MessagesPlaceholder("history"),
        ("human", "{question}"),
    ]
)


def join_with_last(question: str, history: Sequence[HistoryMessage]) -> str:
    """The question with the newest question before it that stood alone; a greeting or thanks are none."""
    earlier = [message.text for message in history if message.is_user and small_talk(message.text) is None]
    base = next((text for text in reversed(earlier) if not leans_on_history(text)), earlier[-1] if earlier else "")
    return f"{base[:_LONGEST]} {question}".strip()


def stand_alone(question: str, history: Sequence[HistoryMessage]) -> Condensed:
    """What is searched for a question without a model: itself, or where it leans on the conversation, with the newest
    question that stood alone in front of it.

    A long follow-up often says enough by itself, and the question before it then leads elsewhere; so it is searched
    both ways.
    """
    if not history or not leans_on_history(question):
        return Condensed(question)
    beside = question if len(own_words(question)) > FEW_WORDS else None
    return Condensed(join_with_last(question, history), beside=beside)


def rewrite(model: BaseChatModel, question: str, history: Sequence[BaseMessage]) -> tuple[str, UsageMetadata | None]:
    """The question as the model rewrites it, empty when the model says nothing; and what the provider reports."""
    prompt = CONDENSE_PROMPT.format_messages(history=list(history), question=question)
    answer = model.invoke(in_turns(prompt))
    return without_thoughts(answer.text).strip()[:_LONGEST], getattr(answer, "usage_metadata", None)
