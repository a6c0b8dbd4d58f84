# Debian roots: folders that hold a Debian of any release, made by debootstrap, and commands that run inside. Source it
# after common.sh.
#
# They lie in cargo's target folder, RELEASE for the release:
#   roots/RELEASE            bare, as debootstrap makes it; never entered
#   roots/RELEASE-suites     with the packages of the suites (scripts/test-root)
#   roots/RELEASE-fresh      a copy of the bare one while it is used (scripts/test-fresh)
#   roots/archives-RELEASE   packages that were downloaded
# All mounts are made in a mount namespace that ends with the command: a root can be removed at any time.
# shellcheck shell=bash

roots=${CARGO_TARGET_DIR:-$PWD/target}
[[ $roots = /* ]] || roots=$PWD/$roots
roots=$roots/roots

need_roots() {
	is_debian || skip "needs root on Debian: it makes roots by debootstrap"
	need debootstrap=debootstrap unshare=util-linux
	unshare --mount --propagation private --pid --fork true || skip "needs mount and pid namespaces"
	mkdir -p "$roots"
}

# archive CODENAME: the archive of a release that this machine's own apt uses, if it knows one.
archive() {
	# shellcheck disable=SC2016 # apt's own variable
	apt-get indextargets --format '$(REPO_URI)' "Codename: $1" "Component: main" 2>/dev/null | sort -u | head -n 1
}

# make_root RELEASE: makes the bare root, once. Its packages come from where this machine's own come from.
make_root() {
	local release=$1 root=$roots/$1 partial host mirror security
	[ ! -d "$root" ] || return 0
	host=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	mirror=$(archive "$host")
	mirror=${mirror:-$(archive "$release")}
	security=$(archive "$host-security")
	say "making a bare Debian by debootstrap, once: $release"
	partial=$(mktemp -d "$roots/.$release.XXXXXX")
	# Without an archive, debootstrap takes its default.
	timeout --kill-after=10 600 unshare --mount --propagation private -- \
		debootstrap --variant=minbase "$release" "$partial" ${mirror:+"$mirror"} >"$partial.log" 2>&1 || {
		tail -n 5 "$partial.log" >&2
		rm -rf "$partial" "$partial.log"
		die "debootstrap fails: $release"
	}
	rm -f "$partial.log"
	chmod 0755 "$partial"
	# As the installer writes them; sid has neither.
	if [ "$release" != sid ] && [ -n "$mirror" ]; then
		echo "deb $mirror $release-updates main" >>"$partial/etc/apt/sources.list"
		[ -z "$security" ] || echo "deb $security $release-security main" >>"$partial/etc/apt/sources.list"
	fi
	# The lists of sid are valid for a week; a mirror that lags is good enough here.
	[ "$release" != sid ] || echo 'Acquire::Check-Valid-Until "false";' >"$partial/etc/apt/apt.conf.d/90valid"
	apt-config dump | grep -E '^Acquire::[^ ]*::Proxy ' >"$partial/etc/apt/apt.conf.d/90proxy" || true
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$partial/etc/hosts"
	mkdir -p "$partial/usr/local/share/ca-certificates"
	cp -r /usr/local/share/ca-certificates/. "$partial/usr/local/share/ca-certificates/" 2>/dev/null || true
	mv "$partial" "$root"
}

# in_root SECONDS ROOT RELEASE [FROM=TO[:ro]…] -- COMMAND…: runs the command in that root as root, in an environment of its
# own, with files and folders of this machine (FROM) where the root shall see them (TO). Status 124 or 137: the time was up.
in_root() {
	local limit=$1 root=$2 release=$3 variables=() name
	shift 3
	# Where the command runs, and how it reaches a package registry.
	for name in CI TERM http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY IGNORED_TESTS; do
		[ -z "${!name:-}" ] || variables+=("$name=${!name}")
	done
	mkdir -p "$roots/archives-$release"
	cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "${variables[@]}" \
		timeout --kill-after=10 "$limit" unshare --mount --propagation private --pid --fork --kill-child -- \
		"$BASH" scripts/enter-root "$root" "$roots/archives-$release=/var/cache/apt/archives" "$@"
}
