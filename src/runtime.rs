//! What a no_std library must provide itself: a panic handler and an unwinding personality.
//!
//! unsafe: the panic handler calls a C function; the personality is assembly.
#![allow(unsafe_code, reason = "as the head says")]

/// Nothing in the library panics. In the release profile the linker proves it: this function does not exist, so a
/// panic that could be reached would leave an undefined symbol, which `-z defs` refuses.
#[cfg(not(debug_assertions))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn nopipe_a_panic_can_be_reached() -> !;
    }
    // SAFETY: never linked, so never called.
    unsafe { nopipe_a_panic_can_be_reached() }
}

/// Debug builds check arithmetic; such a bug ends the process at once, by SIGILL.
#[cfg(debug_assertions)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    // SAFETY: raises SIGILL, nothing else.
    unsafe {
        core::arch::asm!("ud2", options(noreturn))
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
    loop {
        core::hint::spin_loop();
    }
}

// The prebuilt `core` refers to a personality routine. Nothing in this library catches, so the routine only returns
// _URC_CONTINUE_UNWIND (8): pthread_cancel and C++ exceptions pass through our frames.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
core::arch::global_asm!(
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, @function",
    "rust_eh_personality:",
    "mov eax, 8",
    "ret",
    ".size rust_eh_personality, . - rust_eh_personality",
);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, @function",
    "rust_eh_personality:",
    "mov w0, #8",
    "ret",
    ".size rust_eh_personality, . - rust_eh_personality",
);

// Debian builds the C part of compiler_builtins, which asks at start-up whether the CPU has atomic instructions, with a
// stack protector: its guard and what it calls would be imported from another library than libc. Nothing else uses it.
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl __stack_chk_guard",
    ".hidden __stack_chk_guard",
    ".type __stack_chk_guard, @object",
    ".globl __stack_chk_fail",
    ".hidden __stack_chk_fail",
    ".type __stack_chk_fail, @function",
    "__stack_chk_fail:",
    "brk #1",
    ".size __stack_chk_fail, . - __stack_chk_fail",
    ".pushsection .rodata",
    ".balign 8",
    "__stack_chk_guard:",
    ".xword 0x595e9fbd94fda766",
    ".size __stack_chk_guard, 8",
    ".popsection",
);
