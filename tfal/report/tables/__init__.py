"""Every table of a report as plain text in cells: of one setting, and over all of them."""

from tfal.report.tables.measured import measured_tables
from tfal.report.tables.one_setting import setting_tables
from tfal.report.tables.overall import overall_tables
from tfal.report.tables.recipes import recipe_tables
from tfal.report.tables.table import Table

__all__ = ["Table", "measured_tables", "overall_tables", "recipe_tables", "setting_tables"]
