"""What the services say to one another and to the world: events, topics, the grant, problems. Contracts know nobody."""
