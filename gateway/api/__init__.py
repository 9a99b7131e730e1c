"""The routes that clients call, one file for each resource of docs/http.md."""
