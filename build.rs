//! Link arguments of the library.

fn main() {
    // Every undefined symbol must come from a library we name: nothing is left to be found at run time.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,defs");
    // The test harness proves with it that it tests the library just built.
    println!("cargo:rustc-cdylib-link-arg=-Wl,--build-id=sha1");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libnopipe.so");
    // The kernel holds the address of our signal handler: dlclose must not unmap it.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // crtbegin and its like would only have four more symbols looked up at each program's start: nothing here is
    // registered for dlclose or gmon.
    println!("cargo:rustc-cdylib-link-arg=-nostartfiles");
    // The two ends of the hooks' table, which the linker names, are nobody else's.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,start-stop-visibility=hidden");
    println!("cargo:rerun-if-changed=build.rs");
}
