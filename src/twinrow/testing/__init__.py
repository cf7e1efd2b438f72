"""Public test parts: the contract suite for connectors, a hostile wrapper, pairs of systems, sandboxes."""
