mod functions;
mod hostile;
mod map;
mod random;
mod reduce;
mod workers;
