"""From stored documents to their chunks: ingestion in batches of one or many, and builds of other generations."""
