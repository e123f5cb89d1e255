"""Documents, their versions and chunks, collections, ingestion, and the index that follows the rows."""
