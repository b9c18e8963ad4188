"""One module per kind of resource. Pure: specs, rules, and steps as data."""
