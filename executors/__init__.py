"""Everything that touches the world: the engine, its handlers, clouds and guests."""
