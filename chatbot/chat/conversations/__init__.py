"""Conversations as they are stored: messages, members, titles, usage, leases and exports."""
