"""What a page shows of a job."""
