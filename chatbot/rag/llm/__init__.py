"""Language models: answerers, prompts, prices, fallbacks, and the transport of OpenAI's protocol."""
