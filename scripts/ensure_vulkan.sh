#!/usr/bin/env bash
# Makes sure that wgpu finds a Vulkan driver: any driver that is there is left alone; where there is none, Mesa's
# software one (llvmpipe) is installed with apt-get. macOS (Metal) and Windows (DX12) need nothing.
#
#   scripts/ensure_vulkan.sh            install where needed
#   scripts/ensure_vulkan.sh --check    only say what is there; exit status 1 when something is missing
#
# A driver counts when its manifest and library are there. Whether it finds a device is for wgpu to say: where a GPU's
# driver is installed without the GPU, install mesa-vulkan-drivers by hand.
set -euo pipefail

PACKAGES=(libvulkan1 mesa-vulkan-drivers)
LIBRARY_DIRS=(/lib /lib64 /usr/lib /usr/lib64 /usr/local/lib /lib/*-linux-gnu /usr/lib/*-linux-gnu)

say() { echo "ensure_vulkan: $*"; }
fail() { say "$*" >&2; exit 1; }

# library_exists NAME: can the dynamic linker open this shared library? ldconfig is often outside a user's PATH.
library_exists() {
    local dir dirs cache
    IFS=: read -ra dirs <<<"${LD_LIBRARY_PATH:-}"
    for dir in "${dirs[@]}" "${LIBRARY_DIRS[@]}"; do
        if [[ -n $dir && -e $dir/$1 ]]; then return 0; fi
    done
    cache=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null) || return 1
    [[ $cache == *[[:space:]]"$1 ("* ]]
}

# manifest_works FILE: is this a driver manifest whose library exists? Containers often have the one without the other.
manifest_works() {
    local library
    [[ -r $1 ]] || return 1
    library=$(sed -n 's/.*"library_path"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$1")
    case $library in
        "") return 1 ;;
        /*) [[ -e $library ]] ;;
        */*) [[ -e ${1%/*}/$library ]] ;; # relative to the manifest
        *) library_exists "$library" ;;
    esac
}

# find_driver: prints the first manifest that works, looking where the Vulkan loader looks. Each variable is a list
# separated by colons; VK_DRIVER_FILES, of files or folders, replaces every other place.
find_driver() {
    local place places manifest forced=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}} home=${HOME:-/nonexistent}
    local roots="${XDG_CONFIG_HOME:-$home/.config}:${XDG_CONFIG_DIRS:-/etc/xdg}:/etc"
    roots+=":${XDG_DATA_HOME:-$home/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
    if [[ -n $forced ]]; then
        IFS=: read -ra places <<<"$forced"
    else
        IFS=: read -ra places <<<"$roots"
        places=("${places[@]/%//vulkan/icd.d}")
    fi
    for place in "${places[@]}"; do
        for manifest in "$place" "$place"/*.json; do
            if [[ -f $manifest ]] && manifest_works "$manifest"; then
                echo "$manifest"
                return 0
            fi
        done
    done
    return 1
}

# is_ready: are both halves there, the loader and a driver? Says what it found.
is_ready() {
    local driver
    if ! library_exists libvulkan.so.1; then
        say "no Vulkan loader (libvulkan.so.1)"
        return 1
    fi
    if ! driver=$(find_driver); then
        say "no Vulkan driver (a manifest vulkan/icd.d/*.json with its library)"
        return 1
    fi
    say "found the Vulkan loader and a driver: $driver"
}

install_packages() {
    local as_root=()
    command -v apt-get >/dev/null ||
        fail "no apt-get here: install a Vulkan loader and driver, ${PACKAGES[*]} on Debian," \
            "vulkan-loader and mesa-vulkan-drivers on Fedora, vulkan-icd-loader and vulkan-swrast on Arch"
    if [[ $(id -u) -ne 0 ]]; then
        command -v sudo >/dev/null || fail "neither root nor sudo: have root run apt-get install ${PACKAGES[*]}"
        as_root=(sudo)
    fi
    say "installing ${PACKAGES[*]} with ${as_root[*]:+${as_root[*]} }apt-get"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${PACKAGES[@]}"
}

main() {
    case $(uname -s) in
        Linux) ;;
        *) say "nothing to do on $(uname -s)" && return 0 ;;
    esac
    if is_ready; then return 0; fi
    # The loader would not look at what apt-get installs.
    if [[ -n ${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}} ]] && ! find_driver >/dev/null; then
        fail "VK_DRIVER_FILES or VK_ICD_FILENAMES names no driver that works: correct or unset it"
    fi
    if [[ ${1:-} == --check ]]; then return 1; fi
    install_packages
    is_ready || fail "still no Vulkan driver after the installation"
}

case $# in
    0) ;;
    *) [[ $# -eq 1 && $1 == --check ]] || fail "usage: scripts/ensure_vulkan.sh [--check]" ;;
esac
main "$@"
