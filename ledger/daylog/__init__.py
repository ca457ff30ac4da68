"""The day log, book of original entry: layout, writer, reader, scan for damage."""
