"""The page at /: what it shows as it happens, and the files it is made of."""
