"""What can be done about failures: functions that rules name."""
