"""The ground: the words of qdrantctl as frozen types. Nothing here reads, decides or prints."""
