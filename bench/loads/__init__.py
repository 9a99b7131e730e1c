"""Clients that send HTTP requests in a closed or an open loop, and what they measure."""
