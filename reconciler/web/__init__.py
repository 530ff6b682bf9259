"""What the daemon serves: a page to look at, figures, signs of life, and ears for forges."""
