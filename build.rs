//! Link arguments of the library.

fn main() {
    // Every undefined symbol must come from a library that we name, so that none is missing at run time.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,defs");
    // The test harness uses it to prove that it tests the library just built.
    println!("cargo:rustc-cdylib-link-arg=-Wl,--build-id=sha1");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libnopipe.so");
    // The kernel holds the address of our signal handler: dlclose must not unmap it.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // crtbegin and the like would only add four symbols to look up at each program start: nothing here is registered
    // for dlclose or gmon.
    println!("cargo:rustc-cdylib-link-arg=-nostartfiles");
    // The two ends of the hooks' table, which the linker names, are nobody else's.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,start-stop-visibility=hidden");
    // GNU ld begins each segment on a page of the file as well: up to 12 KB of padding. lld does not, and takes this as its
    // default anyway.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,noseparate-code");
    println!("cargo:rerun-if-changed=build.rs");
}
