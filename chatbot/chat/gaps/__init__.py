"""Questions that the documents did not answer."""
