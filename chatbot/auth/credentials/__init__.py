"""What proves who somebody is: passwords, tokens, API keys, sign-in sessions."""
