# Building for another CPU. Source it after common.sh.
# shellcheck shell=bash
#
# The compiler is the machine's own Rust, where that has the target's standard library (rustup target add), else Debian's,
# unpacked. Nothing is installed, and no foreign architecture is added to the machine's package database: that would draw
# the other architecture into each later upgrade, and put a second Rust before the user's. apt keeps the index of the other
# architecture in target/cross, and the packages are unpacked there. So no root is needed, and all of it goes with the
# folder.

cross=${CARGO_TARGET_DIR:-$PWD/target}/cross
tools=$cross/tools

# set_target CPU: what the others call it.
set_target() {
	case $1 in
	aarch64) target=aarch64-unknown-linux-gnu debian=arm64 gnu=aarch64-linux-gnu headers=libc6-dev-arm64-cross ;;
	i386) target=i686-unknown-linux-gnu debian=i386 gnu=i686-linux-gnu headers=libc6-dev-i386-cross ;;
	*) die "there is no CPU '$1'; allowed: aarch64, i386" ;;
	esac
}

# with_index COMMAND…: an apt command with the machine's sources, for this machine's architecture and the target's.
with_index() {
	command -v apt-get >/dev/null || return
	local apt=$cross/apt config=$cross/apt-$debian.conf native
	mkdir -p "$apt/lists-$debian/partial" "$apt/cache/archives/partial"
	native=$(dpkg --print-architecture)
	cat >"$config" <<-END
		APT::Architecture "$native";
		APT::Architectures { "$native"; "$debian"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "";
		Debug::NoLocking "true";
		Dir::Cache "$apt/cache";
		Dir::State::lists "$apt/lists-$debian";
	END
	# A day old at most.
	if [ -z "$(find "$apt/updated-$debian" -mtime -1 2>/dev/null)" ]; then
		APT_CONFIG=$config apt-get -qq update || return
		touch "$apt/updated-$debian"
	fi
	APT_CONFIG=$config "$@"
}

# unpack_tools PACKAGE…: programs for this machine, and what they need and the machine lacks, into $tools.
unpack_tools() {
	local packages archives=$cross/apt/cache/archives
	packages=$(not_unpacked "$tools" "$@")
	[ -n "$packages" ] || return 0
	say "unpacking into $tools: $packages"
	rm -f "$archives"/*.deb
	# shellcheck disable=SC2086 # a list of names
	with_index apt-get -qq -y --download-only --reinstall install $packages >/dev/null || return
	# shellcheck disable=SC2086 # a list of names
	unpack "$tools" "$archives" $packages
	rm -f "$archives"/*.deb
}

# unpack_foreign FOLDER PACKAGE…: packages of the target's architecture, these alone, into FOLDER.
unpack_foreign() {
	local folder=$1 packages download
	shift
	packages=$(not_unpacked "$folder" "${@/%/:$debian}")
	[ -n "$packages" ] || return 0
	say "unpacking into $folder: $packages"
	download=$(mktemp -d "$cross/download.XXXXXX")
	# shellcheck disable=SC2086 # a list of names
	(cd "$download" && with_index apt-get -qq download $packages >/dev/null) || return
	# shellcheck disable=SC2086 # a list of names
	unpack "$folder" "$download" $packages
	rm -r "$download"
}

# not_unpacked FOLDER PACKAGE…: prints those that are not in FOLDER yet.
not_unpacked() {
	local folder=$1 package missing=()
	shift
	for package; do
		[ -e "$folder/.unpacked/$package" ] || missing+=("$package")
	done
	echo "${missing[*]}"
}

# unpack FOLDER DOWNLOADED PACKAGE…: all archives in DOWNLOADED; the packages are noted as unpacked.
unpack() {
	local folder=$1 downloaded=$2 file package
	shift 2
	mkdir -p "$folder/.unpacked"
	for file in "$downloaded"/*.deb; do
		dpkg-deb -x "$file" "$folder"
	done
	for package; do
		touch "$folder/.unpacked/$package"
	done
}

# unpacked_tool NAME [OPTION…]: makes a script that calls an unpacked program, since that needs unpacked libraries as well,
# and prints its path.
unpacked_tool() {
	local name=$1 place=$cross/bin/$1 program=$tools/usr/bin/$1 libraries
	shift
	[ -e "$program" ] || program=$tools/bin/$name
	libraries=$tools/usr/lib/$(uname -m)-linux-gnu:$tools/lib/$(uname -m)-linux-gnu
	mkdir -p "$cross/bin"
	cat >"$place.new" <<-END
		#!/bin/sh
		LD_LIBRARY_PATH=$libraries
		export LD_LIBRARY_PATH
		exec $program $* "\$@"
	END
	chmod +x "$place.new"
	mv "$place.new" "$place"
	echo "$place"
}

# cross_rust: sets RUSTC, unless cargo's own has the standard library of the target.
cross_rust() {
	local folder help version
	folder=$(rustc --print target-libdir --target "$target" 2>/dev/null) || folder=
	[ -z "$(find "${folder:-/nowhere}" -name 'libcore-*.rlib' 2>/dev/null)" ] || return 0
	help="the Rust here has no standard library for $target: 'rustup target add $target'"
	[ "$(with_index apt-cache pkgnames rustc-web 2>/dev/null)" = rustc-web ] || die "cannot go on: $help"
	# The parts must be of one version: all or none.
	if [ -n "$(not_unpacked "$tools" rustc-web "libstd-rust-web-dev:$debian")" ]; then
		rm -f "$tools"/.unpacked/*rust-web* "$tools"/.unpacked/rustc-web
		# shellcheck disable=SC2046 # one name: the library that rustc itself is in
		{
			unpack_tools rustc-web libstd-rust-web-dev \
				$(with_index apt-cache depends libstd-rust-web-dev | sed -n 's/.*Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p') &&
				unpack_foreign "$tools" libstd-rust-web-dev
		} || die "cannot go on: Debian's rustc-web does not unpack, and $help"
	fi
	RUSTC=$(unpacked_tool rustc)
	export RUSTC
	version=$("$RUSTC" --version | cut -d' ' -f2)
	[ "$(printf '%s\n' "$(oldest_rust)" "$version" | sort -V | head -n 1)" = "$(oldest_rust)" ] ||
		die "cannot go on: Debian's Rust is $version, and $help"
}

# cross_cc: sets cross_cc, the C compiler for the target: the machine's, or Debian's, unpacked.
cross_cc() {
	cross_cc=$(command -v "$gnu-gcc") && return
	if [ "$(uname -m)" = "${target%%-*}" ]; then
		cross_cc=cc
		return
	fi
	unpack_tools "gcc-$gnu" "$headers" || die "cannot go on: '$gnu-gcc' is missing (Debian package gcc-$gnu)"
	# shellcheck disable=SC2034 # for the scripts that source this one
	cross_cc=$(unpacked_tool "$gnu-gcc" "--sysroot=$tools")
}

# cross_cargo COMMAND…: cargo for the target.
cross_cargo() {
	local subcommand=$1 name=${target//-/_}
	shift
	env "CARGO_TARGET_${name^^}_LINKER=$cross_cc" cargo "$subcommand" --target "$target" "$@"
}
