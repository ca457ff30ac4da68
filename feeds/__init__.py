"""The wire: order entry, market data and drop copy over ZeroMQ."""
