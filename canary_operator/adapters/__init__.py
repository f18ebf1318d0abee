"""One folder for each outside system; its errors are translated there."""
