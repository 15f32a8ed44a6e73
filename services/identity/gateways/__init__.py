"""Identity's way to the rest of the world: roster files that schools export."""
