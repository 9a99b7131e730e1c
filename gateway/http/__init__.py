"""HTTP itself: connections, requests, answers. Knows no execution."""
