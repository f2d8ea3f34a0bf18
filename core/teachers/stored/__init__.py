"""The stored teacher pass: the outputs of a frozen teacher for fixed views of the training images. They are computed
once, stored on disk, and shared by all jobs with the same teacher, images and views.
"""
