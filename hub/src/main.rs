//! The program `larder`: a personal device hub that speaks CouchDB's HTTP API.

/// Gives back what a busy hub needed, a second or so later; glibc's allocator would keep most of it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    hub::main()
}
