"""PDF files: the engine that reads their text, and what stands beside the text."""
