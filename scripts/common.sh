# What the scripts share. Source it: it changes to the project's top folder.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck disable=SC2034 # for the scripts that source this one
library=$PWD/target/release/libnopipe.so

say() { printf '== %s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# skip REASON: this script is not run. scripts/test lists the reason at its end.
skip() {
	say "IGNORED ${0##*/}: $*"
	[ -z "${IGNORED_TESTS:-}" ] || printf '%s: %s\n' "${0##*/}" "$*" >>"$IGNORED_TESTS"
	exit 0
}

is_debian() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }

# apt's lists, read once in a script.
update_apt() {
	[ -n "${apt_updated:-}" ] || apt-get -qq update || say "apt-get update failed: its lists may be old"
	apt_updated=yes
}

# install_packages NAME…: installs those Debian packages that are missing; false if one does not install.
install_packages() {
	local missing=() name
	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] && return
	say "installing Debian packages: ${missing[*]}"
	update_apt
	apt_install "${missing[@]}" >/dev/null && return
	# One that does not install must not keep the others out.
	local refused=() answer
	for name in "${missing[@]}"; do
		answer=$(apt_install "$name") || { refused+=("$name") && tail -n 3 <<<"$answer"; }
	done
	[ ${#refused[@]} = 0 ] || { say "these do not install: ${refused[*]}" && return 1; }
}

# RUNLEVEL=1 keeps a package's service from starting.
apt_install() {
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" </dev/null 2>&1
}

# need COMMAND=PACKAGE…: installs what is missing, or ends the script and names the missing tool.
need() {
	local pair command package
	for pair in "$@"; do
		command=${pair%%=*} package=${pair#*=}
		command -v "$command" >/dev/null && continue
		is_debian || die "cannot go on: '$command' is missing (Debian package $package; run as root on Debian to have it installed)"
		install_packages "$package" || die "cannot go on: '$command' is missing and package $package does not install"
	done
}

# The oldest Rust that builds this: rust-version in Cargo.toml.
oldest_rust() { sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml; }

# at_least VERSION OLDEST
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# The two Debian packages of a cargo and a rustc that are new enough. Releases whose own are old have newer ones, meant for
# browsers: bookworm-security and trixie.
debian_rust() {
	local suffix
	for suffix in '' -web; do
		at_least "$(apt-cache policy "cargo$suffix" | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p')" "$(oldest_rust)" || continue
		echo "cargo$suffix rustc$suffix" && return
	done
	return 1
}

install_rust() {
	local packages
	update_apt
	packages=$(debian_rust) || die "cannot go on: 'cargo' is missing, and apt knows none of $(oldest_rust) or newer" \
		"(on Debian 12, cargo-web of bookworm-security): add that to apt's sources, or take rustup's"
	# cargo asks crates.io by TLS; Debian's only recommends the certificates.
	# shellcheck disable=SC2086 # two names
	install_packages $packages ca-certificates || die "cannot go on: 'cargo' is missing and $packages do not install"
}

need_build_tools() {
	local oldest needed
	oldest=$(oldest_rust)
	needed="Rust $oldest or newer is needed, from rustup or, on Debian, the packages cargo-web and rustc-web"
	need cc=gcc make=make
	# Debian's gcc only recommends the headers.
	if ! cc -E -include stdio.h -x c /dev/null >/dev/null 2>&1; then
		is_debian || die "cannot go on: the C library's headers are missing (Debian package libc6-dev)"
		install_packages libc6-dev || die "cannot go on: the C library's headers are missing and libc6-dev does not install"
	fi
	if ! command -v cargo >/dev/null; then
		is_debian || die "cannot go on: 'cargo' is missing: $needed (run as root to have them installed)"
		install_rust
	fi
	at_least "$(cargo --version | cut -d' ' -f2)" "$oldest" || die "cannot go on: $(cargo --version) is too old: $needed"
}
