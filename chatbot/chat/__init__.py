"""Sessions, messages, and replies: one generator, read as JSON or as a stream."""
