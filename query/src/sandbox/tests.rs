mod hostile;
mod map;
