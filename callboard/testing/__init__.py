"""For your own tests: whole calls in one process under virtual time, with everything that can go wrong.

`simulate` runs a scenario with an emulated carrier and emulated providers in milliseconds, the same way each time. What
is here is what callboard's own tests use.
"""
