"""One reader a file format: `matches` knows it by its content, `read` makes a Recording of it."""
