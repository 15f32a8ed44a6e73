"""The Helm chart, what of it is made from the code, and the programs that check it."""
