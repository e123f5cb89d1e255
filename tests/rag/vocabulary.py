"""A vocabulary in tiktoken's format that is small enough for a test: every byte, and one pair."""

from __future__ import annotations

import base64

_TOKENS = [bytes([byte]) for byte in range(256)] + [b"aa"]
SMALL = b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(_TOKENS))
