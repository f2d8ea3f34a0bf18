"""What a job leaves behind: figures, exported models, report."""
