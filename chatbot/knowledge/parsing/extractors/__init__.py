"""One module for each format, with `extract(data, limits)`, and what several of them share."""
