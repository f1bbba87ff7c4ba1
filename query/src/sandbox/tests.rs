mod functions;
mod hostile;
mod map;
mod memory;
mod random;
mod reduce;
mod workers;
