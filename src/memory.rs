//! The functions that the compiler calls by itself: memcpy(3), memmove(3), memset(3), memcmp(3), bcmp(3), strlen(3).
//!
//! An import of `memcpy` would bind the library to GLIBC_2.14, and each import is one more name that the dynamic linker
//! looks up at every program start. They are hidden: no program calls them. Plain and small, for nothing on the hot path
//! calls them. Other CPUs take them from libc, where they are as old as the CPU.
//!
//! unsafe: assembly.
#![allow(unsafe_code, reason = "as the head says")]

/// A hidden function of this name.
macro_rules! hidden {
    ($name:literal, $($line:literal),+ $(,)?) => {
        core::arch::global_asm!(
            concat!(".hidden ", $name),
            concat!(".globl ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            $($line,)+
            "ret",
            concat!(".size ", $name, ", . - ", $name),
        );
    };
}

// The direction flag is clear in every function (System V ABI, "Registers").
hidden!("memcpy", "mov rax, rdi", "mov rcx, rdx", "rep movsb");
hidden!(
    "memmove",
    "mov rax, rdi",
    "mov rcx, rdx",
    "sub rdi, rsi",
    "cmp rdi, rdx",
    "mov rdi, rax",
    // Below the source, or past its end: forwards.
    "jae 2f",
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "2:",
    "rep movsb",
    "cld",
);
hidden!(
    "memset",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8"
);
// One code for both: what memcmp returns suits bcmp. With no bytes left the flags are those of the `xor`: equal.
core::arch::global_asm!(".hidden bcmp", ".globl bcmp", ".set bcmp, memcmp");
hidden!(
    "memcmp",
    "mov rcx, rdx",
    "xor eax, eax",
    "repe cmpsb",
    "je 2f",
    "movzx eax, byte ptr [rdi - 1]",
    "movzx ecx, byte ptr [rsi - 1]",
    "sub eax, ecx",
    "2:",
);
hidden!(
    "strlen",
    "xor eax, eax",
    "3:",
    "cmp byte ptr [rdi + rax], 0",
    "je 2f",
    "inc rax",
    "jmp 3b",
    "2:"
);
