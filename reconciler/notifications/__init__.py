"""What other programs are told of, and how it reaches them."""
