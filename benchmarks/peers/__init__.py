"""What people use otherwise, written as its users write it."""
