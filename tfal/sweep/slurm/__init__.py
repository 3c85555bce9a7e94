"""The engine `slurm`: jobs as arrays of a Slurm cluster, through submitit.

`options` says what a job asks the cluster for, `submit` gives jobs to it, `task` is what runs there, and `queue` says
what Slurm knows of them. What was submitted stands in `<results>/.sweep/slurm/NAME/`: array.json with the ids of its
jobs, submitit's files, and what Slurm itself wrote about each (`*_log.err`).
"""
