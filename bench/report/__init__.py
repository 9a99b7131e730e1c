"""What a record says: the goals, the comparison with an earlier record, and docs/performance.md."""
