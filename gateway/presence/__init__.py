"""Which workers are there, as they say themselves, and what is done when one dies."""
