"""One package per domain: the only layer that uses adapters, kinds and engine. Prints nothing."""
