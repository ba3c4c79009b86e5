"""The HTTP surface: routes, their schemas and the shapes of answers. Nothing else knows HTTP."""
