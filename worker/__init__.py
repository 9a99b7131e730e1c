"""The running side: takes executions from the server and runs their functions step by step."""
