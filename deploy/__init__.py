"""What brings Placet to a machine: the house on this one, the chart for a cluster, the operators' command line."""
