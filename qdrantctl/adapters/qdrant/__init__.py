"""The Qdrant cluster over REST, with the collections that qdrantctl keeps on it."""
