"""Records: what is in one, how it is stored, and the data set they make."""
