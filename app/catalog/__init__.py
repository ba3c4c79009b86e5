"""Services are data: one file in entries/ for each, with its request, price, way of running and result fields.

It performs no I/O; rates that an operator changed are kept in its one table and handed in.
"""
