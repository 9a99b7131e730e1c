"""Tools for asyncio that know nothing of executions or HTTP."""
