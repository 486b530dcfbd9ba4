"""All that touches pytest's objects: settings, tests as programs, fixtures, reports."""
