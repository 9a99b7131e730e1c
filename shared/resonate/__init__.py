"""The Resonate server and its SDK: HTTP calls, the stored data and its encoding."""
