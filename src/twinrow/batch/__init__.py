"""Record batches: frames with the schema of their table, exact values, normal forms."""
