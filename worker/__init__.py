"""The worker: claims executions at the server and runs their functions step by step."""
