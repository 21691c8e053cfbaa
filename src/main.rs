//! The program `kibble`: everything is in the library, so that tests and benches use the same code.

fn main() -> std::process::ExitCode {
    kibble::cli::main()
}
