"""The wire, part by part."""
