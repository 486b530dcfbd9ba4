"""Turns what Python code does into operations that are announced to the controller."""
