"""From a stored document to its chunks: one at a time, in batches, and anew for another generation."""
