"""A chatbot backend that answers from your own documents, with sources.

This module imports nothing: the parsers' child processes and the command line start from it.
"""

__version__ = "0.2.0"
