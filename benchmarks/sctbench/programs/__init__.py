"""The programs, one family a file: all that is explored stands here."""
