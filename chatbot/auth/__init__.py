"""Who is asking: users, tokens, guards."""
