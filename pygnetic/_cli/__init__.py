"""What ``python -m pygnetic`` does."""
