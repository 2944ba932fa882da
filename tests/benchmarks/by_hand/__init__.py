"""The same document without the package, as a Django developer writes it in an afternoon.

A task sends it, a task looks every second whether it is there, and the save asks for it with
``on_commit(task.delay)``. With webhooks, a view updates the row and nobody looks. What it can't do
is left out on purpose: what a lost answer, a dead worker or a lost webhook leaves behind.
"""
