"""What is declared of durable functions, beside their code and in the manifest."""
