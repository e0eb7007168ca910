//! What the commands that write to a server share. (Reading from one is `api`.)

pub(crate) mod ingest;
