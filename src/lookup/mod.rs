//! Turns an address into the keys that are known of it: the folder `keys/recipients/`.
