"""Verifying and repairing what is stored, and the figures of its health."""
