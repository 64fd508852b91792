"""`brushwork up`: the whole service on one machine, started and kept running by one process."""
