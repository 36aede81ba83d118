"""Programs of ours as processes of their own."""
