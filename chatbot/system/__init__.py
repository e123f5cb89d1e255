"""What the operating system gives: native threads, room on the disk, files that only their owner reads."""
