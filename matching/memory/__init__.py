"""The machine's memory and its compiler: layout of tables, allocation, types that kernels see."""
