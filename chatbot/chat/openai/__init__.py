"""/v1: the chat in OpenAI's protocol."""
