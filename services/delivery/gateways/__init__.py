"""The rest of the world: recipients' endpoints behind the address guard, and packages in the vault."""
