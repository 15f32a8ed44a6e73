"""The rest of the world as records needs it: the renderer, the signer, the package, the vault."""
