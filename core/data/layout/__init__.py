"""Folders of images as a dataset: which folders are splits, which are classes, and which are neither."""
