"""The engine as a process: the command, engines that wait, the launcher, where events go."""
