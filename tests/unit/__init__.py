"""Tests that need no service."""
