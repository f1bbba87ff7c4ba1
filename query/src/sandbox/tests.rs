mod functions;
mod hostile;
#[cfg(feature = "search")]
mod indexer;
mod map;
mod memory;
mod random;
mod reduce;
mod workers;
