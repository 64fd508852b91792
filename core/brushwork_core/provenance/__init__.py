"""What a generated file says about itself: labels, signed credentials, parameters; and who reads them."""
