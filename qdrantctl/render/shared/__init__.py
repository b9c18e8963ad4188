"""What several formats share: rows, sentences and escapes."""
