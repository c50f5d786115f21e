//! Turns the data folder into our own keys: what is missing is generated, what is there is read.
