"""The report as one page that opens from a disk, with its figures beside it: `tfal report FOLDER... --html FILE`.

`charts` says what is drawn, `interactive` draws it for the page by Plotly, `pictures` as PNG and PDF by matplotlib;
`memories` has what strategies learned, `write` puts all of it together.
"""

from tfal.report.page.write import write_report

__all__ = ["write_report"]
