"""What partitions would bring, and the partitioned tables."""
