"""The stored teacher pass: what a frozen teacher says of fixed views of the training images, computed once, kept on
disk, and shared by all jobs with the same teacher, images and views.
"""
