"""Rate limits, and the counters they share."""
