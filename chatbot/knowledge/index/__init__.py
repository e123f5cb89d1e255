"""The index over the rows: generations, keywords, pgvector, snapshots."""
