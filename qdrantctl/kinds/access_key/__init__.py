"""The kind AccessKey: the rights of a token as a manifest; tokens themselves are not stored."""
