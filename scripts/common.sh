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

# install_packages NAME…: installs those Debian packages that are missing; false if one does not install.
install_packages() {
	local missing=() name
	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] && return
	say "installing Debian packages: ${missing[*]}"
	[ -n "${apt_updated:-}" ] || apt-get -qq update
	apt_updated=yes
	apt_install "${missing[@]}" && return
	# One that does not install must not keep the others out.
	local refused=()
	for name in "${missing[@]}"; do
		apt_install "$name" || refused+=("$name")
	done
	[ ${#refused[@]} = 0 ] || { say "these do not install: ${refused[*]}" && return 1; }
}

# RUNLEVEL=1 keeps a package's service from starting.
apt_install() {
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >/dev/null 2>&1
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

need_build_tools() {
	local oldest
	oldest=$(oldest_rust)
	need cc=gcc make=make
	command -v cargo >/dev/null || die "cannot go on: 'cargo' is missing: Rust $oldest or newer, from rustup"
	[ "$(printf '%s\n' "$oldest" "$(cargo --version | cut -d' ' -f2)" | sort -V | head -n 1)" = "$oldest" ] ||
		die "cannot go on: $(cargo --version) is too old: Rust $oldest or newer is needed, from rustup"
}
