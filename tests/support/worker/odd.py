"""A worker with all functions of the tests: `python -m tests.support.worker.odd`."""

from tests.support.worker.program import serve

if __name__ == "__main__":
    package = "tests.support.worker"
    serve(f"{package}.unusual", f"{package}.misbehaving", f"{package}.stuck")
