"""What the server's database needs besides the server's own schema."""
