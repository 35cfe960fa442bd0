"""The gateway between real servers, clients, balancers and directories. Each test has a positive control."""
