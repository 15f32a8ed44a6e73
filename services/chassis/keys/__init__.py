"""Keys: a key per person, signatures and sealing, and the vault that holds nothing but ciphertext."""
