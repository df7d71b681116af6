"""Sentences for people: what is wrong, and what to do."""
