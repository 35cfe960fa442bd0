"""One file for each way in which logs are written. They do not import each other, save what lies in `syslog_reader`;
where one needs more than a file, the others have its name in front of theirs."""
