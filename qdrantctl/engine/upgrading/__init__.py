"""What an upgrade of the server changes for manifests, cluster and snapshots. Pure."""
