"""Retrieving passages for a question, and what follows from them."""
