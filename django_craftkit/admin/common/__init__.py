"""What the pages of several resources share; it imports none of them."""
