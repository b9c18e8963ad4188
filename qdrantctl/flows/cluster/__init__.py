"""The nodes of a cluster and the state of their indexes."""
