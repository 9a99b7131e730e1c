"""What a durable function is given, and how its body and its steps run."""
