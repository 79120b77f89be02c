"""What a calibration found: scores, uncertainty, figures, tables, the calibrated configuration."""
