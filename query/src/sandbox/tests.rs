mod functions;
mod hostile;
mod map;
mod reduce;
mod workers;
