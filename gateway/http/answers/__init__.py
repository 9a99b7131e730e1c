"""What is answered: bodies of any size with their headers, and problems."""
