"""What is drawn and worked out of metrics: charts, their marks, live figures, capacity."""
