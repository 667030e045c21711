PRAGMA incremental_vacuum(32)
