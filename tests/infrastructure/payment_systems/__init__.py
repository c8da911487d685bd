"""Payment systems: one conformance suite for all of them, and what each one has to withstand."""
