"""What is known of every sample, what a repetition learns, and what a strategy may see."""

from tfal.pool.pool import EXCLUDED, LABELED, REJECTED, UNLABELED, VALIDATION, Pool

__all__ = ["EXCLUDED", "LABELED", "REJECTED", "UNLABELED", "VALIDATION", "Pool"]
