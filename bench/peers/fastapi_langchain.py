"""A question-answering server as the documentation of FastAPI and LangChain has it, in one file.

It keeps a FAISS store in the process and in a folder (INDEX), and asks OpenAI's protocol for vectors and answers. It
has no accounts, no history, no citations and one kind of search; texts are taken as they come. It runs in an
environment of its own, which has this project's LangChain and OpenAI client, and not the project itself.

    INDEX=folder OPENAI_API_KEY=... OPENAI_BASE_URL=... uvicorn bench.peers.fastapi_langchain:app --workers 2
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import faiss
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

PASSAGES = 5

index = Path(os.environ["INDEX"])
# Without check_embedding_ctx_length=False the client fetches a vocabulary from the network first.
embeddings = OpenAIEmbeddings(model=os.environ["EMBEDDING_MODEL"], check_embedding_ctx_length=False)
model = ChatOpenAI(model="gpt-3.5-turbo", streaming=True)
prompt = ChatPromptTemplate.from_template(
    "Answer the question based only on the following context:\n\n{context}\n\nQuestion: {question}"
)
adding = threading.Lock()


def _store() -> FAISS:
    if index.exists():
        return FAISS.load_local(str(index), embeddings, allow_dangerous_deserialization=True)
    dimension = len(embeddings.embed_query("How many dimensions?"))
    return FAISS(embeddings, faiss.IndexFlatL2(dimension), InMemoryDocstore(), {})


def _context(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


store = _store()
retriever = store.as_retriever(search_kwargs={"k": PASSAGES})
chain = {"context": retriever | _context, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()
app = FastAPI()


class Text(BaseModel):
    title: str
    text: str
    team: str = ""


class Question(BaseModel):
    message: str


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/ingest")
def ingest(texts: list[Text]) -> dict[str, int]:
    with adding:
        metadatas = [{"title": text.title, "team": text.team} for text in texts]
        store.add_texts([text.text for text in texts], metadatas)
        store.save_local(str(index))
    return {"added": len(texts)}


@app.get("/search")
async def search(q: str, k: int = 8, team: str | None = None) -> list[dict[str, Any]]:
    only = {"team": team} if team else None
    found = await store.asimilarity_search_with_score(q, k=k, filter=only)
    return [{"text": document.page_content, "score": float(score), **document.metadata} for document, score in found]


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        async for token in chain.astream(question.message):
            yield f"data: {json.dumps({'token': token})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")
