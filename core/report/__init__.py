"""The report of a finished job: JSON files for programs, a model card, plots, and one HTML page for people."""

from core.report.outcome import Outcome
from core.report.preprocessing import describe_preprocessing
from core.report.write import write_report

__all__ = ["Outcome", "describe_preprocessing", "write_report"]
