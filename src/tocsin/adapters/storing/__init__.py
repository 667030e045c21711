"""What the stores share and no technology is named in: rows and nouns, and the arithmetic of what is kept beside them."""
