"""Texts that say their structure in marks of their own."""
