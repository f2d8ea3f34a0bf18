"""The report of a finished job: JSON files for programs, a model card, plots, and one HTML page for people."""

from core.results.report.outcome import Outcome
from core.results.report.preprocessing import describe_preprocessing
from core.results.report.write import write_report

__all__ = ["Outcome", "describe_preprocessing", "write_report"]
