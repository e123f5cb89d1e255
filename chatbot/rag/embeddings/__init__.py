"""Embedders: the local model, and those of a provider."""
