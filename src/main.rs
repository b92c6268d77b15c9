//! The `keysweep` program: runs the command line and returns its exit code.

use std::process::ExitCode;

/// Wipes memory when it is given back: values of stores pass through buffers of libraries that nobody else would wipe.
#[cfg(feature = "verify")]
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    keysweep::cli::main()
}
