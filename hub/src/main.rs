//! The program `larder`: a personal device hub that speaks CouchDB's HTTP API.

fn main() -> std::process::ExitCode {
    hub::main()
}
