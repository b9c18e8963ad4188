"""Probes of what a server exposes: REST, gRPC and TLS."""
