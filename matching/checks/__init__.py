"""What must hold of every state of the machine, and how tests and tools look into its memory."""
