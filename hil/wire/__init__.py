"""The plant on real protocols; the makers' numbers typed again."""
