"""Streams: server-sent events, WebSockets, the broadcast to several readers, and how many there may be."""
