"""Many runs from one file: a manifest becomes jobs, and an engine does them, on this machine or on a cluster.

`manifest` reads what is compared, `expand` makes a `Job` of each strategy and repetition, `JobFolder` remembers what
came of them, `work` does one; engines (`local`, `slurm`, `commands`) say where and when.
"""
