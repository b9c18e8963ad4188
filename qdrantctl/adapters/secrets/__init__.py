"""API keys and tokens in text: detected and redacted."""
