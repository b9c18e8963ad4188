"""One module per output format: pure functions from documents to text."""
