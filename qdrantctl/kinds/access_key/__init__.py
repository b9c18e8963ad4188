"""The kind AccessKey: what a token may do, as a manifest; the tokens themselves are nowhere."""
