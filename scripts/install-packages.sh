#!/usr/bin/env bash
# Installs the Debian packages that the tests and the demo need, when they are missing and we may.
# `install-packages.sh node` asks for what running Node needs; `install-packages.sh cluster` adds what a Kubernetes node needs.
set -euo pipefail

missing=()
need_command() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || missing+=("$2"); }
need_library() { [ -n "$(find /lib /usr/lib /lib64 -name "$1" -print -quit 2>/dev/null)" ] || missing+=("$2"); }

if ! command -v npm >/dev/null 2>&1; then
  echo 'There is no npm: install any Node that brings it (on Debian: apt-get install npm). The Node that runs everything comes from npm then.' >&2
  exit 1
fi
need_library libatomic.so.1 libatomic1
if [ "${1:-node}" = cluster ]; then
  need_command runc runc
  need_command nft nftables
  need_command ip iproute2
  need_command unshare util-linux
  need_command curl curl
  need_command openssl openssl
  need_command tinyproxy tinyproxy-bin
  need_command unbound unbound
  need_command ldns-signzone ldnsutils
  python3 -c 'import ensurepip' >/dev/null 2>&1 || missing+=(python3-venv)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  if ! command -v go >/dev/null 2>&1; then
    echo 'The Kubernetes programs are built from Go modules, and there is no go command: install Go 1.26 or newer (https://go.dev/dl).' >&2
    exit 1
  fi
fi
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "These packages are missing: ${missing[*]}. Install them as root, on Debian with: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# Programs are wanted, not the services that come with them: an exit code of 101 here keeps Debian from starting any.
policy=/usr/sbin/policy-rc.d
if [ -e "$policy" ]; then
  trap 'rm -f "$log"' EXIT
else
  trap 'rm -f "$log" "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "apt-get could not install ${missing[*]}; the reason stands above." >&2
  exit 1
fi
