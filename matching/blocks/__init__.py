"""Blocks: consecutive hours bought or sold as one, all or none."""
