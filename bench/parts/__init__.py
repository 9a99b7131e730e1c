"""The measurements. Each part measures one thing at each of its subjects."""
