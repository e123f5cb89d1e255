"""Retrieval and answering: the only package that imports LangChain, FAISS, an embedding runtime or a model client.

Only the dataclasses of `chatbot.rag.types` leave it.
"""
