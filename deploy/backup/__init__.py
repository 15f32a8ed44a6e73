"""What a house would have to be made from again: data of all services, keys of persons apart, packages."""
