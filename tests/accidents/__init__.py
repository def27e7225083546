"""What happens to processes and disks: kill -9, a full disk, a store that is gone, two processes at once."""
