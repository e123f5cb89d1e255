"""Documents and collections: adding, updating, versions, access, quotas and files."""
