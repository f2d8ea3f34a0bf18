"""Geometry of the page's charts: plain numbers and words that the templates draw as SVG."""
