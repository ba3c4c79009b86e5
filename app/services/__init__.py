"""Use cases, one module a story. They know no HTTP; every change of money or state happens in their transactions."""
