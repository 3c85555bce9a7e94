"""The low-budget study on frozen features: see study.py."""

from tfal.low_budget.jobs import budgets_left, plan
from tfal.low_budget.study import run, run_jobs

__all__ = ["budgets_left", "plan", "run", "run_jobs"]
