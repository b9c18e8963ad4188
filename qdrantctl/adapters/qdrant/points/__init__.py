"""The points of collections, read and written in large numbers: over gRPC or REST."""
