"""What a picture looks like: a perceptual hash to search by, and a colour thumbnail to decide by."""
