"""Starts our programs as processes."""
