"""A worker with the tests' functions: `python -m tests.support.worker.product`."""

from tests.support.worker.program import serve

if __name__ == "__main__":
    serve()
