"""``python -m tests.endurance``: business events under kills and faults, none lost, none doubled.

A business commits events, each of which is to have one document, and some of them links, e-mails
and signatures. Meanwhile workers are killed, and Craftkit (the sandbox) fails and loses answers.
When nothing is left to do, what was committed is held against the rows here, and against what
Craftkit has by its own count.

It is run by hand, as the benchmarks are: it takes minutes to an hour, and the cores.
"""
