"""/api/chat/: conversations, messages and the WebSocket, on one blueprint."""
