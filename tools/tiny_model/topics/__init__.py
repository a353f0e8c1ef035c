"""What the small model knows: one file per topic, each a list of weighted generators."""
