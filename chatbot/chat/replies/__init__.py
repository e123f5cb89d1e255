"""Replies: a turn, the events of its answer, and what is kept of them."""
