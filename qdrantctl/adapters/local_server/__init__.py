"""The embedded Qdrant server and throw-away servers on this machine."""
