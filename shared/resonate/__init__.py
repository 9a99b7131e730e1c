"""The Resonate server and its SDK: calls over HTTP, what is stored, and how it is encoded."""
