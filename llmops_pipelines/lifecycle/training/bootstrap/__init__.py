"""The small base model's own making: drills that teach copying an answer out of a context, and the run that trains on them.

What fine-tunes, launches or checkpoints a product's model belongs one folder up; nothing here knows the product's prompt.
"""
