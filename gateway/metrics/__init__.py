"""What a gateway counts, and how all processes of one answer a scrape together."""
