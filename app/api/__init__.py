"""HTTP: the only package that knows it. Routes of the generation services are made from the catalogue."""
