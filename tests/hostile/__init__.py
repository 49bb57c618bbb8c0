"""Files that mean harm or are broken, each with the codes that a refusal of it may carry; and what opens them under watch.

    cd tests && python -m hostile          # opens every file in a watched process and prints a table

Everything is made from bytes by pure functions: the same files in every run, no network, nothing that needs a framework.
The calls that the files ask for are harmless even if they ran: `true`, `print`, the name of this machine.
"""
