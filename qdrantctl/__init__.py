"""Plan and apply for Qdrant."""

__version__ = "0.1.0"
