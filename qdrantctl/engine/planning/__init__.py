"""Planning: from three states to changes, in order, as data. Pure."""
