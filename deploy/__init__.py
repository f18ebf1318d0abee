"""How the operator is installed, and what writes the generated files of that; not shipped."""
