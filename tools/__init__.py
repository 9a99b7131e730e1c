"""Programs behind the Makefile: build the server, run, demonstrate, load, kill."""
