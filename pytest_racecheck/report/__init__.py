"""Pure functions from explorations to text and JSON: no clock, environment, file, terminal or source is touched."""
