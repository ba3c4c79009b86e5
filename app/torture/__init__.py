"""The proof of the promise: a whole stack is tortured by seed, and then everybody's books must agree.

    plan      what clients will ask and what will be killed when, all of it from the seed
    stack     two of every process, Postgres, Redis and the sandbox, on loopback
    clients   ask, poll, cancel, and ask again until they have a definite answer; they keep a log of their own
    chaos     kills and freezes processes, takes Redis' data, lets the upstream misbehave
    journal   what Postgres itself saw: who wrote to which job under which lease
    evidence  the books of all sides, read once everything is quiet
    checks    what must be true of them
    faults    mistakes planted on purpose, to see that the checks find them

It uses the broker over HTTP as its clients do, and looks into Postgres with the owner's eyes. Linux and macOS.
"""
