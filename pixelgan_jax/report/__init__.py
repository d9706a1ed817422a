"""Pages, pictures, plots and tables."""
